#include "controller/blob/disk_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/blob/local_blob_store.h"
#include "controller/worker_pool.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::cas {
namespace {

namespace fs = std::filesystem;
using blob::Digest;
using blob::DigestOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DiskStoreTest : public ::testing::Test {
 protected:
  DiskStoreTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/disk_XXXXXX");
    root_ = mkdtemp(pattern.data());
    Reopen();
  }
  ~DiskStoreTest() override {
    store_.reset();
    fs::remove_all(root_);
  }

  void Reopen() {
    store_.reset();
    auto opened = DiskStore::Open(root_.string());
    ASSERT_EQ(opened.status(), absl::OkStatus());
    store_ = *std::move(opened);
  }

  Digest Put(const std::string& bytes) {
    const Digest digest = DigestOf(bytes);
    EXPECT_EQ(store_->WriteAll(digest, bytes), absl::OkStatus());
    return digest;
  }

  fs::path FileOf(const Digest& digest) const {
    return root_ / "cas" / digest.hash.substr(0, 2) /
           absl::StrCat(digest.hash.substr(2), "-", digest.size_bytes);
  }

  void Overwrite(const Digest& digest, const std::string& bytes) {
    ASSERT_EQ(chmod(FileOf(digest).c_str(), 0600), 0);
    std::ofstream(FileOf(digest), std::ios::binary | std::ios::trunc) << bytes;
  }

  // Regular files below the store, quarantine left out.
  int CountFiles(const char* below = "cas") const {
    int count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(root_ / below)) {
      count += entry.is_regular_file();
    }
    return count;
  }

  fs::path root_;
  std::unique_ptr<DiskStore> store_;
};

TEST_F(DiskStoreTest, KeepsBlobsInTheDocumentedLayout) {
  const Digest digest = Put("hello");
  struct stat st;
  ASSERT_EQ(stat(FileOf(digest).c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0444);
  EXPECT_EQ(store_->ReadAll(digest).value(), "hello");
  EXPECT_EQ(store_->Sync(), absl::OkStatus());
  Reopen();
  EXPECT_EQ(store_->ReadAll(digest).value(), "hello");
  const Digest other = DigestOf("other");
  EXPECT_THAT(store_->FindMissing({digest, other, blob::EmptyBlobDigest()}).value(),
              ElementsAre(other));
}

TEST_F(DiskStoreTest, OnlyWhatIsNewNeedsASync) {
  EXPECT_FALSE(store_->IsSynced()) << "an earlier process may have left what isn't on the disk";
  EXPECT_EQ(store_->Sync(), absl::OkStatus());
  EXPECT_TRUE(store_->IsSynced());
  Put("hello");
  EXPECT_FALSE(store_->IsSynced());
  EXPECT_EQ(store_->Sync(), absl::OkStatus());
  EXPECT_TRUE(store_->IsSynced());
  Put("hello");
  store_->ReadAll(DigestOf("hello")).IgnoreError();
  EXPECT_TRUE(store_->IsSynced()) << "what was there already is on the disk";
}

TEST_F(DiskStoreTest, EmptyBlobIsAlwaysThere) {
  EXPECT_EQ(store_->ReadAll(blob::EmptyBlobDigest()).value(), "");
  EXPECT_EQ(store_->WriteAll(blob::EmptyBlobDigest(), ""), absl::OkStatus());
  EXPECT_EQ(store_->WriteAll(blob::EmptyBlobDigest(), "x").code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CountFiles(), 0);
}

TEST_F(DiskStoreTest, WrongBytesLeaveNothing) {
  const Digest digest = DigestOf("hello");
  EXPECT_EQ(store_->WriteAll(digest, "hullo").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->WriteAll(digest, "hell").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->WriteAll(digest, "hello!").code(), absl::StatusCode::kInvalidArgument);
  // The right hash with another size is another name, which no bytes have.
  EXPECT_EQ(store_->WriteAll(Digest{digest.hash, 4}, "hello").code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->WriteAll(Digest{"../../x", 1}, "h").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CountFiles(), 0);
  EXPECT_EQ(CountFiles("tmp"), 0);
}

TEST_F(DiskStoreTest, UncommittedWriterLeavesNothing) {
  {
    auto writer = store_->NewWriter(DigestOf("hello"));
    ASSERT_EQ(writer.status(), absl::OkStatus());
    ASSERT_EQ((*writer)->Append("hel"), absl::OkStatus());
    EXPECT_FALSE(store_->Contains(DigestOf("hello")));
  }
  EXPECT_EQ(CountFiles(), 0);
  EXPECT_EQ(CountFiles("tmp"), 0);
}

TEST_F(DiskStoreTest, OpenSweepsWhatACrashLeft) {
  std::ofstream(root_ / "tmp/17") << "half";
  Reopen();
  EXPECT_EQ(CountFiles("tmp"), 0);
}

TEST_F(DiskStoreTest, FlippedBitIsQuarantinedAndMissingFromThenOn) {
  const std::string bytes(100'000, 'x');
  const Digest digest = Put(bytes);
  std::string flipped = bytes;
  flipped[77'777] ^= 4;
  Overwrite(digest, flipped);
  EXPECT_EQ(store_->ReadAll(digest).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->quarantined(), 1);
  EXPECT_FALSE(fs::exists(FileOf(digest)));
  EXPECT_TRUE(fs::exists(root_ / "quarantine" / absl::StrCat(digest.hash, "-", digest.size_bytes)));
  EXPECT_THAT(store_->FindMissing({digest}).value(), ElementsAre(digest));
  Put(bytes);
  EXPECT_EQ(store_->ReadAll(digest).value(), bytes);
}

TEST_F(DiskStoreTest, StreamOfADamagedBlobNeverEnds) {
  const std::string bytes(1'000'000, 'x');
  const Digest digest = Put(bytes);
  std::string flipped = bytes;
  flipped[5] ^= 4;
  Overwrite(digest, flipped);
  auto reader = store_->NewReader(digest);
  ASSERT_EQ(reader.status(), absl::OkStatus());
  std::string piece;
  int64_t received = 0;
  absl::Status status;
  while (true) {
    status = (*reader)->Read(64 * 1024, &piece);
    if (!status.ok() || piece.empty()) break;
    received += static_cast<int64_t>(piece.size());
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_LT(received, digest.size_bytes);
  EXPECT_EQ(store_->NewReader(digest).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(DiskStoreTest, TruncatedAndReplacedFilesCountAsMissing) {
  const Digest digest = Put("hello world");
  Overwrite(digest, "hello");
  EXPECT_THAT(store_->FindMissing({digest}).value(), ElementsAre(digest));
  EXPECT_EQ(store_->ReadAll(digest).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->quarantined(), 1);

  const Digest empty_file = Put("soon empty");
  Overwrite(empty_file, "");
  // An upload heals it, without a read in between.
  Put("soon empty");
  EXPECT_EQ(store_->ReadAll(empty_file).value(), "soon empty");

  const Digest linked = Put("becomes a link");
  fs::remove(FileOf(linked));
  fs::create_symlink("/etc/passwd", FileOf(linked));
  EXPECT_THAT(store_->FindMissing({linked}).value(), ElementsAre(linked));
  EXPECT_NE(store_->ReadAll(linked).status(), absl::OkStatus());
  const Digest fifo = Put("becomes a fifo");
  fs::remove(FileOf(fifo));
  ASSERT_EQ(mkfifo(FileOf(fifo).c_str(), 0600), 0);
  EXPECT_EQ(store_->ReadAll(fifo).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(DiskStoreTest, ManyPiecesAreHashedWhileTheyAreWritten) {
  controller::WorkerPool threads(2, 10);
  const std::string first(100'000, 'x'), second(200'000, 'y');
  const std::vector<absl::string_view> pieces = {first, second};
  const Digest digest = blob::DigestOf(first + second);
  auto writer = store_->NewWriter(digest);
  ASSERT_EQ(writer.status(), absl::OkStatus());
  ASSERT_EQ((*writer)->Append(pieces, &threads), absl::OkStatus());
  EXPECT_EQ((*writer)->Append(pieces, &threads).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ((*writer)->Commit(), absl::OkStatus());
  EXPECT_TRUE(store_->ReadAll(digest).value() == first + second);
  // Bytes that aren't the digest's.
  writer = store_->NewWriter(blob::DigestOf(second + first));
  ASSERT_EQ(writer.status(), absl::OkStatus());
  ASSERT_EQ((*writer)->Append(pieces, &threads), absl::OkStatus());
  EXPECT_EQ((*writer)->Commit().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(DiskStoreTest, TruncationWhileItIsReadIsNoticed) {
  const Digest digest = Put(std::string(200'000, 'x'));
  auto reader = store_->NewReader(digest);
  ASSERT_EQ(reader.status(), absl::OkStatus());
  std::string piece;
  ASSERT_EQ((*reader)->Read(100'000, &piece), absl::OkStatus());
  ASSERT_EQ(truncate(FileOf(digest).c_str(), 150'000), 0);
  EXPECT_EQ((*reader)->Read(100'000, &piece).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(store_->Contains(digest));
}

TEST_F(DiskStoreTest, PartsAreVerifiedAgainstTheWhole) {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) absl::StrAppend(&bytes, i, ",");
  const Digest digest = Put(bytes);
  const auto read = [&](int64_t offset, int64_t limit) -> absl::StatusOr<std::string> {
    auto reader = store_->NewReader(digest, offset, limit);
    if (!reader.ok()) return reader.status();
    std::string all, piece;
    do {
      if (absl::Status s = (*reader)->Read(10'000, &piece); !s.ok()) return s;
      all += piece;
    } while (!piece.empty());
    return all;
  };
  EXPECT_EQ(read(0, 0).value(), bytes);
  EXPECT_EQ(read(54'321, 0).value(), bytes.substr(54'321));
  EXPECT_EQ(read(54'321, 17).value(), bytes.substr(54'321, 17));
  EXPECT_EQ(read(digest.size_bytes, 0).value(), "");
  EXPECT_EQ(read(digest.size_bytes - 1, 100).value(), ",");
  EXPECT_EQ(read(-1, 0).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(read(digest.size_bytes + 1, 0).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(read(0, -1).status().code(), absl::StatusCode::kInvalidArgument);
  // Damage outside of the part shows as well.
  std::string flipped = bytes;
  flipped.back() ^= 1;
  Overwrite(digest, flipped);
  EXPECT_EQ(read(10, 5).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(DiskStoreTest, ConcurrentUploadsOfOneBlobAllSucceed) {
  const std::string bytes(300'000, 'c');
  const Digest digest = DigestOf(bytes);
  std::vector<std::thread> threads;
  std::vector<absl::Status> results(8);
  for (absl::Status& result : results) {
    threads.emplace_back([&] { result = store_->WriteAll(digest, bytes); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) EXPECT_EQ(result, absl::OkStatus());
  EXPECT_EQ(store_->ReadAll(digest).value(), bytes);
  EXPECT_EQ(CountFiles(), 1);
}

TEST_F(DiskStoreTest, ReaderKeepsItsBytesWhenTheFileGoes) {
  const Digest digest = Put("hello");
  auto reader = store_->NewReader(digest);
  ASSERT_EQ(reader.status(), absl::OkStatus());
  fs::remove(FileOf(digest));
  std::string piece;
  EXPECT_EQ((*reader)->Read(100, &piece), absl::OkStatus());
  EXPECT_EQ(piece, "hello");
  EXPECT_EQ(store_->ReadAll(digest).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(DiskStoreTest, OpenSaysWhatIsWrong) {
  std::ofstream(root_ / "file") << "";
  const auto opened = DiskStore::Open((root_ / "file/store").string());
  EXPECT_FALSE(opened.ok());
  EXPECT_THAT(opened.status().message(), HasSubstr("file/store"));
}

TEST_F(DiskStoreTest, LocalBlobStoreTakesFiles) {
  LocalBlobStore local(store_.get());
  std::ofstream(root_ / "input") << "from a file";
  const Digest digest = DigestOf("from a file");
  ASSERT_EQ(local.Upload({{digest,
                           [&]() -> absl::StatusOr<int> {
                             return open((root_ / "input").c_str(), O_RDONLY | O_CLOEXEC);
                           }}}),
            absl::OkStatus());
  EXPECT_THAT(local.FindMissing({digest}).value(), IsEmpty());
  EXPECT_EQ(store_->ReadAll(digest).value(), "from a file");
}

}  // namespace
}  // namespace rally::cas
