#include "agent/workspace/delta_upload.h"

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/blob/blob_key.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

using ::rally::blob::BlobKey;
using ::rally::blob::Digest;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::UnorderedElementsAre;

constexpr int kNoUpper = -1;  // The store below opens no file.
constexpr int64_t kLargeBytes = int64_t{3} << 20;

// Remembers what it was asked and sent, and opens nothing. May be told to fail.
class RecordingStore : public blob::BlobStore {
 public:
  absl::StatusOr<std::vector<Digest>> FindMissing(absl::Span<const Digest> digests) override {
    absl::MutexLock lock(&mutex_);
    asked.push_back(digests.size());
    std::vector<Digest> missing;
    absl::flat_hash_set<Digest> seen;
    for (const Digest& digest : digests) {
      if (!stored.contains(digest) && seen.insert(digest).second) missing.push_back(digest);
    }
    return missing;
  }
  absl::Status Upload(std::vector<blob::BlobUpload> uploads) override {
    absl::MutexLock lock(&mutex_);
    calls.emplace_back();
    if (!fail_with.ok()) return fail_with;
    for (const blob::BlobUpload& upload : uploads) {
      EXPECT_TRUE(stored.insert(upload.digest).second) << "sent twice: " << upload.digest;
      calls.back().push_back(upload.digest);
      if (std::holds_alternative<std::string>(upload.source)) {
        if (files_before_directories < 0) files_before_directories = files_sent;
      } else {
        ++files_sent;
      }
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<std::string>> Read(absl::Span<const Digest>) override {
    return absl::UnimplementedError("");
  }
  absl::Status ReadToFile(const Digest&, int) override { return absl::UnimplementedError(""); }

  absl::flat_hash_set<Digest> stored;
  std::vector<size_t> asked;
  std::vector<std::vector<Digest>> calls;
  int64_t files_sent = 0;
  int64_t files_before_directories = -1;
  absl::Status fail_with;

 private:
  absl::Mutex mutex_;
};

// What a capture found and made.
struct Delta {
  CapturedFiles files;
  DeltaUpload::Directories directories;
};

absl::StatusOr<int64_t> Upload(const Delta& delta, blob::BlobStore& store) {
  return DeltaUpload(kNoUpper, delta.files, store).Finish(delta.directories);
}

void AddDirectory(std::string bytes, Delta& delta) {
  const Digest digest = blob::DigestOf(bytes);
  delta.directories[digest] = std::move(bytes);
}

void AddFile(const Digest& digest, Delta& delta) {
  delta.files.emplace_back(BlobKey::Of(digest), absl::StrCat("file", delta.files.size()));
}

TEST(DeltaUploadTest, NothingAsksNothing) {
  RecordingStore store;
  EXPECT_EQ(Upload(Delta(), store).value(), 0);
  EXPECT_THAT(store.asked, IsEmpty());
}

TEST(DeltaUploadTest, FilesAreAskedAboutOnceAndDirectoriesSent) {
  Delta delta;
  AddFile(blob::DigestOf("one"), delta);
  AddFile(blob::DigestOf("three"), delta);
  AddFile(blob::DigestOf("one"), delta);
  AddDirectory("directory", delta);
  RecordingStore store;
  store.stored.insert(blob::DigestOf("three"));
  EXPECT_EQ(Upload(delta, store).value(), 3 + 9);
  EXPECT_THAT(store.asked, ElementsAre(2));
  EXPECT_THAT(store.calls, ElementsAre(ElementsAre(blob::DigestOf("one")),
                                       ElementsAre(blob::DigestOf("directory"))));
}

TEST(DeltaUploadTest, NoDirectoryIsSentWhenAFileCouldNotBe) {
  Delta delta;
  AddFile(blob::DigestOf("one"), delta);
  AddDirectory("directory", delta);
  RecordingStore store;
  store.fail_with = absl::UnavailableError("down");
  EXPECT_EQ(Upload(delta, store).status(), store.fail_with);
  EXPECT_THAT(store.calls, ElementsAre(IsEmpty()));
  // Nor is anything sent of a capture that failed, but files.
  store.fail_with = absl::OkStatus();
  { const DeltaUpload given_up(kNoUpper, delta.files, store); }
  EXPECT_THAT(store.stored, UnorderedElementsAre(blob::DigestOf("one")));
}

TEST(DeltaUploadTest, ALargeDeltaGoesInPortionsEachBlobOnceAndDirectoriesLast) {
  constexpr int kFiles = 25'000;
  constexpr int kContents = 17'000;  // So that some occur in two portions.
  Delta delta;
  int64_t bytes = 0;
  for (int i = 0; i < kFiles; ++i) {
    Digest digest = blob::DigestOf(absl::StrCat(i % kContents));
    if (i % kContents % 1'000 == 0) digest.size_bytes = kLargeBytes;
    if (i < kContents) bytes += digest.size_bytes;
    AddFile(digest, delta);
  }
  for (int i = 0; i < 1'000; ++i) {
    AddDirectory(absl::StrCat(i, std::string(10'000, 'd')), delta);
  }
  for (const auto& [digest, directory] : delta.directories) bytes += digest.size_bytes;
  RecordingStore store;
  EXPECT_EQ(Upload(delta, store).value(), bytes);
  EXPECT_EQ(store.stored.size(), kContents + 1'000);
  EXPECT_THAT(store.asked, Each(Le(10'000)));
  EXPECT_EQ(store.files_sent, kContents);
  EXPECT_EQ(store.files_before_directories, kContents);
  int calls_with_large_files = 0;
  for (const std::vector<Digest>& call : store.calls) {
    EXPECT_LE(call.size(), 10'000);
    if (call.front().size_bytes == kLargeBytes) {
      ++calls_with_large_files;
      EXPECT_EQ(call.size(), kContents / 1'000);
    }
  }
  EXPECT_EQ(calls_with_large_files, 1);
}

}  // namespace
}  // namespace rally::workspace
