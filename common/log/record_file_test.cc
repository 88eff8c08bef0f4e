#include "common/log/record_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rally::log {
namespace {

using Code = absl::StatusCode;

const absl::Time kTime = absl::FromUnixMicros(1'700'000'000'123'456);

std::string FreshPath() {
  static int files = 0;
  const std::string path =
      absl::StrCat(::testing::TempDir(), "/record_file_", getpid(), "_", files++, ".log");
  unlink(path.c_str());
  return path;
}

std::unique_ptr<RecordFile> OpenOrDie(const std::string& path,
                                      const RecordFile::Options& options = {}) {
  absl::StatusOr<std::unique_ptr<RecordFile>> file = RecordFile::Open(path, options);
  EXPECT_EQ(file.status(), absl::OkStatus());
  return file.ok() ? *std::move(file) : nullptr;
}

std::string Contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void Replace(const std::string& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << contents;
}

// "0 out:abc | 3 err:d", for comparing at a glance.
std::string Show(const absl::StatusOr<std::vector<Record>>& records) {
  if (!records.ok()) return records.status().ToString();
  std::string shown;
  for (const Record& record : *records) {
    absl::StrAppend(&shown, shown.empty() ? "" : " | ", record.offset,
                    record.stream == Stream::kStdout ? " out:" : " err:", record.bytes);
  }
  return shown;
}

TEST(RecordFileTest, RecordsComeBackInOrderWithStreamAndTime) {
  const std::string path = FreshPath();
  auto file = OpenOrDie(path);
  EXPECT_TRUE(file->created());
  EXPECT_EQ(*file->Append(Stream::kStdout, kTime, "abc"), 3);
  EXPECT_EQ(*file->Append(Stream::kStderr, kTime + absl::Seconds(1), "de"), 5);
  EXPECT_EQ(Show(file->Read(0, 100)), "0 out:abc | 3 err:de");
  EXPECT_EQ((*file->Read(0, 100))[1].time, kTime + absl::Seconds(1));
  EXPECT_EQ(file->stream_end(Stream::kStdout), 3);
  EXPECT_EQ(file->stream_end(Stream::kStderr), 2);
  EXPECT_EQ(*file->Sync(), 5);

  file.reset();
  file = OpenOrDie(path);
  EXPECT_FALSE(file->created());
  EXPECT_EQ(file->torn_bytes(), 0);
  EXPECT_EQ(file->end_offset(), 5);
  EXPECT_EQ(file->stream_end(Stream::kStderr), 2);
  EXPECT_EQ(Show(file->Read(0, 100)), "0 out:abc | 3 err:de");
  EXPECT_EQ((*file->Read(0, 100))[0].time, kTime);
}

TEST(RecordFileTest, ReadCutsRecordsToTheRangeAskedFor) {
  auto file = OpenOrDie(FreshPath());
  ASSERT_TRUE(file->Append(Stream::kStdout, kTime, "abcd").ok());
  ASSERT_TRUE(file->Append(Stream::kStderr, kTime, "efgh").ok());
  EXPECT_EQ(Show(file->Read(2, 100)), "2 out:cd | 4 err:efgh");
  EXPECT_EQ(Show(file->Read(1, 2)), "1 out:bc");
  EXPECT_EQ(Show(file->Read(3, 2)), "3 out:d | 4 err:e");
  EXPECT_EQ(Show(file->Read(8, 100)), "");
  EXPECT_EQ(file->Read(9, 1).status().code(), Code::kOutOfRange);
  EXPECT_EQ(file->Read(0, 0).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(file->Read(-1, 1).status().code(), Code::kInvalidArgument);
}

TEST(RecordFileTest, ReadFindsEveryOffsetOfALargeFile) {
  auto file = OpenOrDie(FreshPath());
  std::mt19937 random(7);
  std::string whole;
  while (whole.size() < 3'000'000) {
    std::string bytes(1 + random() % 9000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    whole += bytes;
    ASSERT_EQ(*file->Append(random() % 2 ? Stream::kStdout : Stream::kStderr, kTime, bytes),
              static_cast<int64_t>(whole.size()));
  }
  for (int i = 0; i < 300; ++i) {
    const int64_t offset = random() % whole.size();
    const int64_t size = 1 + random() % 20000;
    std::string got;
    const auto records = file->Read(offset, size);
    ASSERT_EQ(records.status(), absl::OkStatus());
    for (const Record& record : *records) {
      EXPECT_EQ(record.offset, offset + static_cast<int64_t>(got.size()));
      got += record.bytes;
    }
    ASSERT_TRUE(got == whole.substr(offset, size)) << "offset " << offset << " size " << size;
  }
}

TEST(RecordFileTest, RefusesWhatIsNoRecord) {
  auto file = OpenOrDie(FreshPath());
  EXPECT_EQ(file->Append(Stream::kStdout, kTime, "").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(file->Append(static_cast<Stream>(3), kTime, "a").status().code(),
            Code::kInvalidArgument);
  const std::string largest(kMaxRecordBytes, 'x');
  EXPECT_EQ(file->Append(Stream::kStdout, kTime, largest + "x").status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(file->end_offset(), 0);
  EXPECT_EQ(*file->Append(Stream::kStdout, kTime, largest), 65536);
}

TEST(RecordFileTest, TornTailIsCutOffAtEveryByte) {
  const std::string path = FreshPath();
  auto file = OpenOrDie(path);
  ASSERT_TRUE(file->Append(Stream::kStdout, kTime, "first").ok());
  const size_t before = Contents(path).size();
  ASSERT_TRUE(file->Append(Stream::kStderr, kTime, "the last record").ok());
  file.reset();
  const std::string whole = Contents(path);
  for (size_t size = before; size < whole.size(); ++size) {
    Replace(path, whole.substr(0, size));
    file = OpenOrDie(path);
    EXPECT_EQ(file->torn_bytes(), static_cast<int64_t>(size - before));
    EXPECT_EQ(Contents(path).size(), before) << "what a step printed must never become a record";
    EXPECT_EQ(Show(file->Read(0, 100)), "0 out:first");
    EXPECT_EQ(file->stream_end(Stream::kStderr), 0);
    ASSERT_EQ(*file->Append(Stream::kStderr, kTime, "again"), 10);
    file.reset();
    file = OpenOrDie(path);
    EXPECT_EQ(Show(file->Read(0, 100)), "0 out:first | 5 err:again") << "cut at " << size;
    file.reset();
  }
}

TEST(RecordFileTest, EveryFlippedBitOfTheLastRecordIsFound) {
  const std::string path = FreshPath();
  auto file = OpenOrDie(path);
  ASSERT_TRUE(file->Append(Stream::kStdout, kTime, "first").ok());
  const size_t before = Contents(path).size();
  ASSERT_TRUE(file->Append(Stream::kStderr, kTime, "last").ok());
  file.reset();
  const std::string whole = Contents(path);
  for (size_t bit = 8 * before; bit < 8 * whole.size(); ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] ^= 1 << (bit % 8);
    Replace(path, damaged);
    RecordFile::Options read_only;
    read_only.access = RecordFile::Access::kReadOnly;
    EXPECT_EQ(Show(OpenOrDie(path, read_only)->Read(0, 100)), "0 out:first") << "bit " << bit;
    EXPECT_TRUE(Contents(path) == damaged) << "a read-only file was changed";
  }
}

TEST(RecordFileTest, TornHeaderOfTheFileStartsAnew) {
  const std::string path = FreshPath();
  OpenOrDie(path).reset();
  const std::string magic = Contents(path);
  for (size_t size = 0; size < magic.size(); ++size) {
    Replace(path, magic.substr(0, size));
    auto file = OpenOrDie(path);
    ASSERT_TRUE(file->Append(Stream::kStdout, kTime, "a").ok());
    EXPECT_EQ(Show(file->Read(0, 100)), "0 out:a");
  }
}

TEST(RecordFileTest, AForeignFileIsRefusedAndLeftAlone) {
  const std::string path = FreshPath();
  Replace(path, "#!/bin/sh\necho this is not a log\n");
  EXPECT_EQ(RecordFile::Open(path).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(Contents(path), "#!/bin/sh\necho this is not a log\n");
}

TEST(RecordFileTest, DamageBelowThePromisedEndIsNotTakenForATornTail) {
  const std::string path = FreshPath();
  auto file = OpenOrDie(path);
  ASSERT_TRUE(file->Append(Stream::kStdout, kTime, "promised").ok());
  ASSERT_TRUE(file->Append(Stream::kStdout, kTime, "not yet").ok());
  file.reset();
  const std::string whole = Contents(path);
  RecordFile::Options options;
  options.promised_end = 8;
  Replace(path, whole.substr(0, whole.size() - 1));
  EXPECT_EQ(OpenOrDie(path, options)->end_offset(), 8);

  std::string damaged = whole;
  damaged[kFileMagic.size() + kHeaderSize] ^= 1;
  Replace(path, damaged);
  EXPECT_EQ(RecordFile::Open(path, options).status().code(), Code::kDataLoss);
  EXPECT_TRUE(Contents(path) == damaged);
}

TEST(RecordFileTest, ReadOfADamagedRecordIsDataLoss) {
  const std::string path = FreshPath();
  auto file = OpenOrDie(path);
  ASSERT_TRUE(file->Append(Stream::kStdout, kTime, "good").ok());
  ASSERT_TRUE(file->Append(Stream::kStdout, kTime, "rots").ok());
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(pwrite(fd, "R", 1, Contents(path).size() - 4), 1);
  close(fd);
  EXPECT_EQ(Show(file->Read(0, 4)), "0 out:good");
  EXPECT_EQ(file->Read(0, 8).status().code(), Code::kDataLoss);
}

TEST(RecordFileTest, AppendAtSkipsWhatItHasAndRefusesGapsAndConflicts) {
  auto file = OpenOrDie(FreshPath());
  EXPECT_EQ(*file->AppendAt(0, Stream::kStdout, kTime, "abcd"), 4);
  EXPECT_EQ(*file->AppendAt(4, Stream::kStderr, kTime, "efgh"), 8);

  EXPECT_EQ(*file->AppendAt(0, Stream::kStdout, kTime, "abcd"), 8) << "the same again";
  EXPECT_EQ(*file->AppendAt(1, Stream::kStdout, kTime, "bc"), 8) << "a part of it";
  EXPECT_EQ(*file->AppendAt(6, Stream::kStderr, kTime, "ghij"), 10) << "overlapping the end";
  EXPECT_EQ(Show(file->Read(0, 100)), "0 out:abcd | 4 err:efgh | 8 err:ij");

  EXPECT_EQ(file->AppendAt(11, Stream::kStdout, kTime, "x").status().code(), Code::kOutOfRange);
  EXPECT_EQ(file->AppendAt(1, Stream::kStdout, kTime, "bX").status().code(), Code::kAlreadyExists);
  EXPECT_EQ(file->AppendAt(4, Stream::kStdout, kTime, "efgh").status().code(), Code::kAlreadyExists)
      << "the other stream";
  EXPECT_EQ(file->AppendAt(2, Stream::kStdout, kTime, "cdef").status().code(), Code::kAlreadyExists)
      << "runs into the other stream";
  EXPECT_EQ(file->AppendAt(8, Stream::kStderr, kTime, "iX and more").status().code(),
            Code::kAlreadyExists);
  EXPECT_EQ(file->AppendAt(-1, Stream::kStdout, kTime, "x").status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(Show(file->Read(0, 100)), "0 out:abcd | 4 err:efgh | 8 err:ij") << "nothing changed";
}

TEST(RecordFileTest, NothingFollowsTheCompleteMark) {
  const std::string path = FreshPath();
  auto file = OpenOrDie(path);
  ASSERT_TRUE(file->Append(Stream::kStdout, kTime, "all").ok());
  EXPECT_FALSE(file->complete());
  EXPECT_EQ(file->MarkComplete(), absl::OkStatus());
  EXPECT_EQ(file->MarkComplete(), absl::OkStatus());
  EXPECT_EQ(file->Append(Stream::kStdout, kTime, "x").status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(*file->AppendAt(0, Stream::kStdout, kTime, "all"), 3) << "a resend is still welcome";
  EXPECT_EQ(file->AppendAt(3, Stream::kStdout, kTime, "x").status().code(),
            Code::kFailedPrecondition);
  file.reset();
  file = OpenOrDie(path);
  EXPECT_TRUE(file->complete());
  EXPECT_EQ(Show(file->Read(0, 100)), "0 out:all");
}

TEST(RecordFileTest, SourceEndIsKeptApartFromTheRecordedSize) {
  const std::string path = FreshPath();
  auto file = OpenOrDie(path);
  ASSERT_TRUE(file->Append(Stream::kStdout, kTime, "plain ").ok());
  ASSERT_TRUE(file->Append(Stream::kStdout, kTime, "***", 6 + 20).ok());
  EXPECT_EQ(file->Append(Stream::kStdout, kTime, "x", 25).status().code(), Code::kInvalidArgument);
  file.reset();
  file = OpenOrDie(path);
  EXPECT_EQ(file->stream_end(Stream::kStdout), 9);
  EXPECT_EQ(file->source_end(Stream::kStdout), 26);
  EXPECT_EQ(file->source_end(Stream::kStderr), 0);
}

TEST(RecordFileTest, ASecondWriterIsRefusedAReaderIsNot) {
  const std::string path = FreshPath();
  auto file = OpenOrDie(path);
  ASSERT_TRUE(file->Append(Stream::kStdout, kTime, "a").ok());
  EXPECT_EQ(RecordFile::Open(path).status().code(), Code::kFailedPrecondition);
  RecordFile::Options options;
  options.access = RecordFile::Access::kReadOnly;
  auto reader = OpenOrDie(path, options);
  EXPECT_EQ(Show(reader->Read(0, 10)), "0 out:a");
  EXPECT_EQ(reader->Append(Stream::kStdout, kTime, "b").status().code(), Code::kFailedPrecondition);
}

// A file size limit fails a write half way, as a full disk does.
TEST(RecordFileTest, AFailedWriteLeavesTheFileAsItWas) {
  const std::string path = FreshPath();
  auto file = OpenOrDie(path);
  ASSERT_TRUE(file->Append(Stream::kStdout, kTime, "before").ok());
  const std::string before = Contents(path);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit limit{before.size() + 50, old_limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto appended = file->Append(Stream::kStdout, kTime, std::string(1000, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);

  EXPECT_EQ(appended.status().code(), Code::kResourceExhausted);
  EXPECT_TRUE(Contents(path) == before);
  EXPECT_EQ(file->end_offset(), 6);
  EXPECT_EQ(*file->Append(Stream::kStdout, kTime, "after"), 11);
  EXPECT_EQ(Show(file->Read(0, 100)), "0 out:before | 6 out:after");
}

TEST(RecordFileTest, ReadersFollowAWriter) {
  auto file = OpenOrDie(FreshPath());
  constexpr int64_t kTotal = 2'000'000;
  std::thread writer([&file] {
    std::string line;
    for (int64_t at = 0; at < kTotal; at += line.size()) {
      line = std::string(std::min<int64_t>(kTotal - at, 1 + at % 977), static_cast<char>(at));
      ASSERT_TRUE(file->Append(at % 3 ? Stream::kStdout : Stream::kStderr, kTime, line).ok());
    }
  });
  int64_t read = 0;
  while (read < kTotal) {
    const auto records = file->Read(read, 50'000);
    ASSERT_EQ(records.status(), absl::OkStatus());
    for (const Record& record : *records) {
      ASSERT_EQ(record.offset, read);
      read += record.bytes.size();
    }
  }
  writer.join();
  EXPECT_EQ(read, kTotal);
}

}  // namespace
}  // namespace rally::log
