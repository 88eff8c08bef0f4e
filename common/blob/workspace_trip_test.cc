// Capture, upload and materialise together: a directory goes through a store and comes out equal.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/capture_directory.h"
#include "common/blob/directory_reader.h"
#include "common/blob/materialise.h"
#include "common/blob/memory_blob_store.h"
#include "common/blob/workspace_trip_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::blob {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(WorkspaceTripTest, ComesOutAsItWentIn) {
  fs::create_directories(source_ / "a/b/empty");
  Write(source_ / "plain", "hello");
  Write(source_ / "run.sh", "#!/bin/sh\n", 0755, kNanos + 1);
  Write(source_ / "secret", "s", 0600, -1'000'000'000);
  Write(source_ / "read only", "r", 0444);
  Write(source_ / "a/zero", "");
  Write(source_ / "a/b/same", "hello", 0644, kNanos + 2);
  Write(source_ / "a/b/large", std::string(3'000'000, 'L'));
  Write(source_ / "a/b/large too", std::string(3'000'000, 'L'), 0700);
  Write(source_ / "a/\xC3\xBC\xF0\x9F\x9A\x80", "unicode");
  fs::create_symlink("../plain", source_ / "a/relative");
  fs::create_symlink("/etc/passwd", source_ / "absolute");
  fs::create_symlink("nowhere", source_ / "dangling");
  fs::create_symlink("a", source_ / "to directory");
  ASSERT_EQ(chmod((source_ / "a/b").c_str(), 0710), 0);
  SetTime(source_ / "a/b/empty", kNanos + 3);
  SetTime(source_ / "a/b", kNanos + 4);
  SetTime(source_ / "a", kNanos + 5);
  SetTime(source_, kNanos + 6);

  const CapturedTree tree = MustCapture();
  EXPECT_EQ(tree.file_count, 9);
  EXPECT_EQ(tree.symlink_count, 4);
  EXPECT_EQ(tree.directory_count, 3);
  EXPECT_THAT(tree.warnings, IsEmpty());
  const auto uploaded = UploadTree(store_, tree);
  ASSERT_EQ(uploaded.status(), absl::OkStatus());
  EXPECT_EQ(uploaded->missing_blobs, 7 - 1 + 4 - 0);  // Contents less the empty one, directories.

  const auto stats = MaterialiseAs("out", tree.root);
  ASSERT_EQ(stats.status(), absl::OkStatus());
  EXPECT_EQ(Describe(scratch_ / "out"), Describe(source_));
  EXPECT_EQ(stats->files, 9);
  EXPECT_EQ(stats->symlinks, 4);
  EXPECT_EQ(stats->directories, 3);
  EXPECT_EQ(stats->fetched_blobs, 6);

  // And in again: the same tree.
  const auto again = CaptureDirectory((scratch_ / "out").string());
  ASSERT_EQ(again.status(), absl::OkStatus());
  EXPECT_EQ(again->root, tree.root);
}

TEST_F(WorkspaceTripTest, OneContentIsFetchedOnceForAllItsPlaces) {
  fs::create_directories(source_ / "d");
  for (const char* name : {"a", "b", "d/a", "d/b", "z"}) {
    Write(source_ / name, "small", name[0] == 'z' ? 0755 : 0600, kNanos + name[0]);
    Write(source_ / (std::string(name) + " large"), std::string(300'000, 'L'), 0640, kNanos);
  }
  Write(source_ / "d/c", "another");
  const CapturedTree tree = MustCapture();
  ASSERT_EQ(UploadTree(store_, tree).status(), absl::OkStatus());
  const auto stats = MaterialiseAs("out", tree.root);
  ASSERT_EQ(stats.status(), absl::OkStatus());
  EXPECT_EQ(Describe(scratch_ / "out"), Describe(source_));
  EXPECT_EQ(stats->files, 11);
  EXPECT_EQ(stats->fetched_blobs, 3);
  EXPECT_EQ(stats->fetched_bytes, 5 + 300'000 + 7);
}

TEST_F(WorkspaceTripTest, UploadsOnlyWhatIsMissing) {
  Write(source_ / "a", "1");
  Write(source_ / "b", "2");
  ASSERT_EQ(UploadTree(store_, MustCapture()).status(), absl::OkStatus());
  const int64_t before = store_.uploaded_blobs();
  EXPECT_EQ(UploadTree(store_, MustCapture())->missing_blobs, 0);
  Write(source_ / "b", "333");
  std::vector<int64_t> seen;
  const auto second = UploadTree(store_, MustCapture(), [&](const UploadProgress& progress) {
    seen.push_back(progress.uploaded_blobs);
  });
  ASSERT_EQ(second.status(), absl::OkStatus());
  EXPECT_EQ(second->missing_blobs, 2);  // b's content and the root.
  EXPECT_EQ(store_.uploaded_blobs() - before, 2);
  EXPECT_THAT(seen, ElementsAre(0, 1, 2));
}

// Fails uploads after the first so many blobs, as an interrupt would.
class InterruptedStore : public MemoryBlobStore {
 public:
  absl::Status Upload(std::vector<BlobUpload> uploads) override {
    for (BlobUpload& upload : uploads) {
      if (--left_ < 0) return absl::UnavailableError("interrupted");
      std::vector<BlobUpload> one;
      one.push_back(std::move(upload));
      if (absl::Status status = MemoryBlobStore::Upload(std::move(one)); !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }
  void AllowMore(int blobs) { left_ = blobs; }

 private:
  int left_ = 0;
};

TEST_F(WorkspaceTripTest, AnInterruptedUploadGoesOnWhereItWas) {
  for (int i = 0; i < 100; ++i) {
    const fs::path folder = source_ / absl::StrCat("d", i % 10);
    fs::create_directories(folder);
    Write(folder / absl::StrCat("f", i), absl::StrCat("content ", i));
  }
  const CapturedTree tree = MustCapture();
  for (const UploadTrust trust : {UploadTrust::kKnownDirectories, UploadTrust::kNothing}) {
    InterruptedStore store;
    int64_t sent = 0;
    for (const int step : {30, 40, 35, 5, 1}) {  // Of 100 files and 11 directories.
      store.AllowMore(step);
      const auto uploaded = UploadTree(store, tree, nullptr, trust);
      EXPECT_EQ(uploaded.status().code(),
                sent + step < 111 ? absl::StatusCode::kUnavailable : absl::StatusCode::kOk);
      sent += step;
      EXPECT_EQ(store.uploaded_blobs(), sent) << "something went up twice";
    }
    EXPECT_EQ(UploadTree(store, tree, nullptr, trust)->missing_blobs, 0);
  }
}

TEST_F(WorkspaceTripTest, KnownDirectoriesAreTrustedOnlyWhenAsked) {
  fs::create_directories(source_ / "d");
  Write(source_ / "d/f", "1");
  Write(source_ / "g", "2");
  const CapturedTree tree = MustCapture();
  ASSERT_EQ(UploadTree(store_, tree).status(), absl::OkStatus());
  store_.Remove(DigestOf("1"));
  EXPECT_EQ(UploadTree(store_, tree, nullptr, UploadTrust::kKnownDirectories)->missing_blobs, 0);
  EXPECT_EQ(UploadTree(store_, tree)->missing_blobs, 1);
  // What is in a changed directory is asked about.
  Write(source_ / "g", "3");
  store_.Remove(DigestOf("1"));
  const auto uploaded = UploadTree(store_, MustCapture(), nullptr, UploadTrust::kKnownDirectories);
  ASSERT_EQ(uploaded.status(), absl::OkStatus());
  EXPECT_EQ(uploaded->missing_blobs, 2);  // "3" and the root.
  EXPECT_EQ(uploaded->total_blobs, 4);
}

TEST_F(WorkspaceTripTest, FileThatChangedAfterCaptureFailsTheUploadByItsPath) {
  Write(source_ / "f", "before");
  const CapturedTree tree = MustCapture();
  Write(source_ / "f", "after!");
  const auto uploaded = UploadTree(store_, tree);
  EXPECT_EQ(uploaded.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(uploaded.status().message(), HasSubstr("'f'"));
  EXPECT_EQ(store_.blob_count(), 0);
}

TEST_F(WorkspaceTripTest, DeepTreesDoNotHitThePathLimit) {
  // 300 levels of 100 bytes are far beyond PATH_MAX.
  Digest digest = store_.Put("deepest");
  Directory level;
  *level.add_files() = MakeFileNode("f", digest, 0644, absl::FromUnixNanos(kNanos));
  SetDirectoryProperties(0755, absl::FromUnixNanos(kNanos), &level);
  Digest root = store_.Put(Serialise(level));
  for (int i = 0; i < 300; ++i) {
    Directory parent;
    *parent.add_directories() = MakeDirectoryNode(std::string(100, 'd'), root);
    SetDirectoryProperties(0755, absl::FromUnixNanos(kNanos), &parent);
    root = store_.Put(Serialise(parent));
  }
  ASSERT_EQ(MaterialiseAs("deep", root).status(), absl::OkStatus());
  const auto tree = CaptureDirectory((scratch_ / "deep").string());
  ASSERT_EQ(tree.status(), absl::OkStatus());
  EXPECT_EQ(tree->root, root);
}

TEST_F(WorkspaceTripTest, HostileTreesWriteNothing) {
  const Digest content = store_.Put("owned");
  const auto file = [&](const std::string& name) {
    return MakeFileNode(name, content, 0644, std::nullopt);
  };
  std::vector<Directory> hostile(6);
  *hostile[0].add_files() = file("../escaped");
  *hostile[1].add_files() = file("..");
  *hostile[2].add_files() = file("/escaped");
  // Write through a link of the same name.
  *hostile[3].add_symlinks() = MakeSymlinkNode("n", (scratch_ / "escaped").string());
  *hostile[3].add_files() = file("n");
  *hostile[4].add_symlinks() = MakeSymlinkNode("d", scratch_.string());
  Directory child;
  *child.add_files() = file("escaped");
  *hostile[4].add_directories() = MakeDirectoryNode("d", store_.Put(Serialise(child)));
  *hostile[5].add_files() = file(std::string("nul\0", 4));
  for (size_t i = 0; i < hostile.size(); ++i) {
    const Digest root = store_.Put(Serialise(hostile[i]));
    EXPECT_EQ(MaterialiseAs("out", root).status().code(), absl::StatusCode::kInvalidArgument) << i;
    // A reader that vouches for what it should not is not believed either.
    CachingDirectoryReader primed(&store_);
    primed.Prime(root, std::make_shared<const Directory>(hostile[i]));
    EXPECT_EQ(Materialise(root, primed, store_, nullptr, scratch_fd_, "out").status().code(),
              absl::StatusCode::kInvalidArgument)
        << i;
    EXPECT_FALSE(fs::exists(scratch_ / "out")) << i;
    EXPECT_FALSE(fs::exists(scratch_ / "escaped")) << i;
  }
}

TEST_F(WorkspaceTripTest, LimitsAreCheckedBeforeAnythingIsFetchedOrWritten) {
  Directory root;
  *root.add_files() = MakeFileNode("f", Digest{DigestOf("x").hash, 1LL << 50}, 0644, std::nullopt);
  const Digest digest = store_.Put(Serialise(root));
  MaterialiseOptions options;
  options.limits.max_total_bytes = 1LL << 40;
  const auto refused = Materialise(digest, reader_, store_, nullptr, scratch_fd_, "out", options);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(fs::exists(scratch_ / "out"));
  EXPECT_EQ(store_.read_blobs(), 1);
}

TEST_F(WorkspaceTripTest, MissingOrWrongBlobLeavesNothingBehind) {
  fs::create_directories(source_ / "d/e");
  Write(source_ / "d/e/f", "1");
  Write(source_ / "g", "2");
  const CapturedTree tree = MustCapture();
  ASSERT_EQ(UploadTree(store_, tree).status(), absl::OkStatus());
  store_.Corrupt(DigestOf("2"), "3");
  EXPECT_EQ(MaterialiseAs("out", tree.root).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(fs::exists(scratch_ / "out"));
  store_.Remove(DigestOf("2"));
  const auto missing = MaterialiseAs("out", tree.root);
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(missing.status().message(), HasSubstr(DigestOf("2").hash));
  EXPECT_FALSE(fs::exists(scratch_ / "out"));
}

TEST_F(WorkspaceTripTest, DoesNotTouchWhatIsThere) {
  fs::create_directory(scratch_ / "out");
  Write(scratch_ / "out/mine", "1");
  EXPECT_EQ(MaterialiseAs("out", EmptyTreeDigest()).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReadFile(scratch_ / "out/mine"), "1");
}

// Has one content, and remembers what it was asked for.
class OneFileSource : public FileSource {
 public:
  bool TryLocal(const Digest& digest, uint32_t mode, std::optional<absl::Time> mtime, int dirfd,
                const char* name) override {
    asked.push_back(name);
    if (digest != DigestOf("local")) return false;
    const int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const bool written = write(fd, "local", 5) == 5;
    const timespec times[2] = {{0, UTIME_NOW}, absl::ToTimespec(*mtime)};
    const bool done = written && fchmod(fd, mode) == 0 && futimens(fd, times) == 0;
    close(fd);
    return done;
  }

  std::vector<std::string> asked;
};

TEST_F(WorkspaceTripTest, LocalFilesAreNotFetched) {
  Write(source_ / "here", "local", 0755);
  Write(source_ / "there", "remote");
  const CapturedTree tree = MustCapture();
  ASSERT_EQ(UploadTree(store_, tree).status(), absl::OkStatus());
  store_.Remove(DigestOf("local"));
  OneFileSource local;
  const auto stats = MaterialiseAs("out", tree.root, &local);
  ASSERT_EQ(stats.status(), absl::OkStatus());
  EXPECT_EQ(stats->local_files, 1);
  EXPECT_EQ(stats->fetched_blobs, 1);
  EXPECT_THAT(local.asked, ElementsAre("here", "there"));
  EXPECT_EQ(Describe(scratch_ / "out"), Describe(source_));
}

}  // namespace
}  // namespace rally::blob
