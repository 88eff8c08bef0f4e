// What every BlobStore has to do, run against the one in memory, the one on disk, and a client of
// servers: ours, ours through a forwarding one, ours in a process of its own, one that nobody here
// wrote, and one that fails a lot.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/blob_store.h"
#include "common/blob/cas_client.h"
#include "common/blob/memory_blob_store.h"
#include "controller/blob/local_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/blob/blob_server.h"
#include "tests/blob/faulty_cas_server.h"
#include "tests/blob/forwarding_server.h"
#include "tests/blob/spawned_server.h"

namespace rally::blob {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A store and all that has to live as long as it.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual BlobStore& store() = 0;
};

class MemorySubject : public Subject {
 public:
  BlobStore& store() override { return store_; }

 private:
  MemoryBlobStore store_;
};

class LocalSubject : public Subject {
 public:
  BlobStore& store() override { return store_; }

 private:
  testing::BlobServer server_;
  cas::LocalBlobStore store_{&server_.store()};
};

// A client of something that has a NewChannel().
template <typename Server>
class ClientSubject : public Subject {
 public:
  template <typename... Arguments>
  explicit ClientSubject(CasClient::Options options, Arguments&&... arguments)
      : server_(std::forward<Arguments>(arguments)...),
        store_(server_.NewChannel(), std::move(options)) {}
  BlobStore& store() override { return store_; }

 private:
  Server server_;
  CasClient store_;
};

class ForwardedSubject : public Subject {
 public:
  BlobStore& store() override { return store_; }

 private:
  static cas::Upstream::Options Upstream() {
    cas::Upstream::Options options;
    options.instance = "all/in/one";
    options.name = "the store behind";
    return options;
  }
  static CasClient::Options Client() {
    CasClient::Options options;
    options.instance = "team/a";
    return options;
  }

  testing::BlobServer server_;
  testing::ForwardingServer forwarding_{server_.NewChannel(), Upstream()};
  CasClient store_{forwarding_.NewChannel(), Client()};
};

struct Driver {
  std::string name;
  std::function<std::unique_ptr<Subject>()> make;
  // Whether FindMissing tells a size that can't be from the right one. A client can't help it if a
  // server doesn't; reading the blob it notices.
  bool finds_by_size = true;
};

class BlobStoreContractTest : public ::testing::TestWithParam<Driver> {
 protected:
  BlobStoreContractTest() : subject_(GetParam().make()), store_(subject_->store()) {}

  Digest Put(const std::string& bytes) {
    const Digest digest = DigestOf(bytes);
    EXPECT_EQ(store_.Upload({{digest, bytes}}), absl::OkStatus());
    return digest;
  }

  static int TemporaryFile(const std::string& content = "") {
    std::string path = absl::StrCat(::testing::TempDir(), "/contract_XXXXXX");
    const int fd = mkostemp(path.data(), O_CLOEXEC);
    unlink(path.c_str());
    EXPECT_EQ(pwrite(fd, content.data(), content.size(), 0), static_cast<ssize_t>(content.size()));
    return fd;
  }

  static std::string ContentOf(int fd) {
    std::string content(lseek(fd, 0, SEEK_END), '\0');
    EXPECT_EQ(pread(fd, content.data(), content.size(), 0), static_cast<ssize_t>(content.size()));
    return content;
  }

  // Sizes around each limit that a client or server has.
  static std::vector<std::string> Blobs() {
    std::vector<std::string> blobs;
    for (size_t size : {1, 1000, 262'143, 262'144, 262'145, 1'048'575, 1'048'576, 1'048'577,
                        4'128'768, 4'194'304, 9'000'000}) {
      std::string blob(size, '\0');
      for (size_t i = 0; i < size; ++i) blob[i] = static_cast<char>((i * 31 + size) % 251);
      blobs.push_back(std::move(blob));
    }
    return blobs;
  }

  std::unique_ptr<Subject> subject_;
  BlobStore& store_;
};

TEST_P(BlobStoreContractTest, HandsOutWhatItTook) {
  std::vector<Digest> digests;
  std::vector<BlobUpload> uploads;
  const std::vector<std::string> blobs = Blobs();
  for (const std::string& blob : blobs) {
    digests.push_back(DigestOf(blob));
    uploads.push_back({digests.back(), blob});
  }
  EXPECT_EQ(store_.FindMissing(digests).value(), digests);
  ASSERT_EQ(store_.Upload(std::move(uploads)), absl::OkStatus());
  EXPECT_THAT(store_.FindMissing(digests).value(), IsEmpty());
  const auto read = store_.Read(digests);
  ASSERT_EQ(read.status(), absl::OkStatus());
  EXPECT_TRUE(*read == blobs);  // Not EXPECT_EQ: it would print megabytes.
  for (size_t i = 0; i < blobs.size(); ++i) {
    const int fd = TemporaryFile();
    EXPECT_EQ(store_.ReadToFile(digests[i], fd), absl::OkStatus());
    EXPECT_TRUE(ContentOf(fd) == blobs[i]) << blobs[i].size();
    close(fd);
  }
}

TEST_P(BlobStoreContractTest, TakesFiles) {
  std::vector<BlobUpload> uploads;
  const std::vector<std::string> blobs = Blobs();
  std::vector<Digest> digests;
  for (const std::string& blob : blobs) {
    digests.push_back(DigestOf(blob));
    uploads.push_back({digests.back(), [&blob]() -> absl::StatusOr<int> {
                         const int fd = TemporaryFile(blob);
                         lseek(fd, 0, SEEK_SET);
                         return fd;
                       }});
  }
  ASSERT_EQ(store_.Upload(std::move(uploads)), absl::OkStatus());
  EXPECT_TRUE(store_.Read(digests).value() == blobs);
}

TEST_P(BlobStoreContractTest, ManySmallBlobsKeepTheirOrder) {
  std::vector<Digest> digests;
  std::vector<std::string> blobs;
  std::vector<BlobUpload> uploads;
  for (int i = 0; i < 12'000; ++i) {
    blobs.push_back(absl::StrCat("blob ", i, std::string(i % 700, '.')));
    digests.push_back(DigestOf(blobs.back()));
    if (i % 3 != 0) uploads.push_back({digests.back(), blobs.back()});
  }
  ASSERT_EQ(store_.Upload(std::move(uploads)), absl::OkStatus());
  std::vector<Digest> expected_missing, present;
  std::vector<std::string> expected;
  for (int i = 0; i < 12'000; ++i) {
    if (i % 3 == 0) {
      expected_missing.push_back(digests[i]);
    } else {
      present.push_back(digests[i]);
      expected.push_back(blobs[i]);
    }
  }
  EXPECT_EQ(store_.FindMissing(digests).value(), expected_missing);
  EXPECT_TRUE(store_.Read(present).value() == expected);
}

TEST_P(BlobStoreContractTest, HandsOutBlobsOneByOne) {
  std::vector<Digest> digests = {EmptyBlobDigest()};
  std::vector<std::string> blobs = {""};
  std::vector<BlobUpload> uploads;
  for (int i = 0; i < 300; ++i) {
    // Some lie across what one read of the network brings, some go by streams.
    blobs.push_back(absl::StrCat("one by one ", i, std::string(i * 37 % 40'000, '.')));
    if (i % 100 == 0) blobs.back() += std::string(300'000, '+');
    digests.push_back(DigestOf(blobs.back()));
    uploads.push_back({digests.back(), blobs.back()});
  }
  ASSERT_EQ(store_.Upload(std::move(uploads)), absl::OkStatus());
  std::vector<std::string> read(blobs.size());
  std::vector<int> times(blobs.size());
  EXPECT_EQ(store_.ReadEach(digests,
                            [&](size_t i, Pieces bytes) {
                              ++times[i];
                              for (const absl::string_view piece : bytes)
                                absl::StrAppend(&read[i], piece);
                            }),
            absl::OkStatus());
  EXPECT_TRUE(read == blobs);
  EXPECT_THAT(times, Each(1));
  const auto fail = [](size_t, Pieces) { ADD_FAILURE(); };
  EXPECT_EQ(store_.ReadEach({}, fail), absl::OkStatus());
  const Digest gone = DigestOf("gone for good");
  EXPECT_EQ(store_.ReadEach({gone}, fail).code(), absl::StatusCode::kNotFound);
}

TEST_P(BlobStoreContractTest, RepeatedDigestsAreAnsweredSensibly) {
  const Digest there = Put("there");
  const Digest gone = DigestOf("gone");
  EXPECT_THAT(store_.FindMissing({gone, there, gone}).value(), ElementsAre(gone));
  EXPECT_THAT(store_.Read({there, EmptyBlobDigest(), there}).value(),
              ElementsAre("there", "", "there"));
  EXPECT_THAT(store_.Read({}).value(), IsEmpty());
  EXPECT_THAT(store_.FindMissing({}).value(), IsEmpty());
  EXPECT_EQ(store_.Upload({}), absl::OkStatus());
  EXPECT_EQ(store_.Upload({{there, "there"}, {there, "there"}}), absl::OkStatus());
}

TEST_P(BlobStoreContractTest, EmptyBlobIsAlwaysThere) {
  EXPECT_THAT(store_.FindMissing({EmptyBlobDigest()}).value(), IsEmpty());
  EXPECT_THAT(store_.Read({EmptyBlobDigest()}).value(), ElementsAre(""));
  const int fd = TemporaryFile();
  EXPECT_EQ(store_.ReadToFile(EmptyBlobDigest(), fd), absl::OkStatus());
  EXPECT_EQ(ContentOf(fd), "");
  close(fd);
  EXPECT_EQ(store_.Upload({{EmptyBlobDigest(), ""}}), absl::OkStatus());
}

TEST_P(BlobStoreContractTest, MissingBlobIsNamed) {
  const Digest there = Put("there");
  for (const Digest& gone : {DigestOf("gone"), Digest{DigestOf("large").hash, 5'000'000}}) {
    const auto read = store_.Read({there, gone});
    EXPECT_EQ(read.status().code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(read.status().message(), HasSubstr(gone.hash));
    const int fd = TemporaryFile();
    const absl::Status to_file = store_.ReadToFile(gone, fd);
    EXPECT_EQ(to_file.code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(to_file.message(), HasSubstr(gone.hash));
    close(fd);
  }
}

TEST_P(BlobStoreContractTest, SizeIsPartOfTheName) {
  const Digest digest = Put("hello");
  const Digest wrong_size{digest.hash, 6};
  if (GetParam().finds_by_size) {
    EXPECT_THAT(store_.FindMissing({wrong_size}).value(), ElementsAre(wrong_size));
  }
  EXPECT_EQ(store_.Read({wrong_size}).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(BlobStoreContractTest, WrongBytesAreRefused) {
  for (size_t size : {10, 600'000}) {
    const std::string bytes(size, 'a');
    const Digest digest = DigestOf(bytes);
    for (const std::string& wrong :
         {std::string(size, 'b'), bytes + "a", bytes.substr(1), std::string()}) {
      EXPECT_EQ(store_.Upload({{digest, wrong}}).code(), absl::StatusCode::kInvalidArgument);
    }
    EXPECT_EQ(
        store_.Upload({{digest, [&]() -> absl::StatusOr<int> { return TemporaryFile(); }}}).code(),
        absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(store_.FindMissing({digest}).value(), ElementsAre(digest));
  }
}

TEST_P(BlobStoreContractTest, SourceThatCannotBeOpenedFailsTheUpload) {
  for (const std::string& bytes : {std::string("small"), std::string(600'000, 'l')}) {
    const absl::Status status =
        store_.Upload({{DigestOf(bytes), []() -> absl::StatusOr<int> {
                          return absl::PermissionDeniedError("no such luck");
                        }}});
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_THAT(status.message(), HasSubstr("no such luck"));
  }
}

TEST_P(BlobStoreContractTest, MalformedDigestsAreRefused) {
  for (const Digest& bad : {Digest{"", 0}, Digest{"../../etc/passwd", 3},
                            Digest{std::string(64, 'A'), 3}, Digest{DigestOf("x").hash, -1}}) {
    EXPECT_EQ(store_.FindMissing({bad}).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(store_.Read({bad}).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(store_.ReadToFile(bad, -1).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(store_.Upload({{bad, "x"}}).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_P(BlobStoreContractTest, WritesFromTheFilesOffset) {
  const Digest digest = Put("hello");
  const int fd = TemporaryFile("12345678");
  ASSERT_EQ(lseek(fd, 2, SEEK_SET), 2);
  EXPECT_EQ(store_.ReadToFile(digest, fd), absl::OkStatus());
  EXPECT_EQ(ContentOf(fd), "12hello8");
  close(fd);
}

TEST_P(BlobStoreContractTest, ManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        // Some blobs are everybody's, some are one thread's own.
        const std::string bytes(i % 2 == 0 ? 400'000 : 50, static_cast<char>('a' + i));
        const std::string own = absl::StrCat(bytes, t);
        EXPECT_EQ(store_.Upload({{DigestOf(bytes), bytes}, {DigestOf(own), own}}),
                  absl::OkStatus());
        EXPECT_TRUE(store_.Read({DigestOf(own), DigestOf(bytes)}).value() ==
                    (std::vector<std::string>{own, bytes}));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

CasClient::Options SmallBatches() {
  CasClient::Options options;
  options.instance = "team/a";
  options.batch_limit_bytes = 20'000;
  options.max_batched_blob_bytes = 1'000;
  options.max_streams = 2;
  return options;
}

CasClient::Options QuickToTryAgain() {
  CasClient::Options options;
  options.first_pause = absl::Milliseconds(1);
  return options;
}

// Every call and every blob fails at first, every stream is cut; batches have to be small.
testing::FaultyCasServer::Faults Troubles() {
  testing::FaultyCasServer::Faults faults;
  faults.failing_attempts = 1;
  faults.failing_blob_attempts = 1;
  faults.cut_streams = 1;
  faults.max_batch_bytes = 100'000;
  return faults;
}

INSTANTIATE_TEST_SUITE_P(
    Stores, BlobStoreContractTest,
    ::testing::Values(
        Driver{"Memory", [] { return std::make_unique<MemorySubject>(); }},
        Driver{"Disk", [] { return std::make_unique<LocalSubject>(); }},
        Driver{"Client",
               [] {
                 return std::make_unique<ClientSubject<testing::BlobServer>>(CasClient::Options());
               }},
        Driver{"ClientWithSmallBatches",
               [] { return std::make_unique<ClientSubject<testing::BlobServer>>(SmallBatches()); }},
        Driver{"ClientThroughForwarder", [] { return std::make_unique<ForwardedSubject>(); }},
        Driver{"ClientOfOtherProcess",
               [] {
                 return std::make_unique<ClientSubject<testing::SpawnedServer>>(
                     CasClient::Options(),
                     std::vector<std::string>{"tests/blob/blob-server", "DIR"});
               }},
        Driver{"ClientOfBuildStream",
               [] {
                 return std::make_unique<ClientSubject<testing::SpawnedServer>>(
                     CasClient::Options(),
                     std::vector<std::string>{"/usr/bin/python3",
                                              "tests/blob/buildstream_server.py", "DIR"});
               },
               /*finds_by_size=*/false},
        Driver{"ClientOfFaultyServer",
               [] {
                 return std::make_unique<ClientSubject<testing::FaultyCasServer>>(QuickToTryAgain(),
                                                                                  Troubles());
               }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rally::blob
