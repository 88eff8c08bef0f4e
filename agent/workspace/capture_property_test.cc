// Random trees, random operations, several steps in a chain: the delta's root must be the root that
// a full scan of the merged mount gives: on this host, on one that has only the blobs, and on one
// that follows from step to step and fetches what differs as a layer.

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/workspace/workspace_fixture.h"
#include "agent/workspace/workspace_store.h"
#include "common/blob/delta.h"
#include "common/blob/directory_reader.h"
#include "common/blob/memory_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

namespace fs = std::filesystem;

constexpr int kStepsPerChain = 6;
constexpr int kOperationsPerStep = 25;

// Does to a directory what builds do. An operation that isn't possible just fails.
class RandomOperations {
 public:
  RandomOperations(std::string root, unsigned seed) : root_(std::move(root)), random_(seed) {}

  void Run(int count) {
    for (int i = 0; i < count; ++i) RunOne();
  }

 private:
  int Below(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }

  // Few names, so that operations meet.
  std::string NewName() { return absl::StrCat(Below(2) == 0 ? "n" : "m", Below(6)); }

  std::vector<std::string> Paths(bool directories_only) {
    std::vector<std::string> paths = {root_};
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      if (!directories_only || fs::is_directory(entry.symlink_status())) {
        paths.push_back(entry.path().string());
      }
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  std::string AnyPath() {
    const std::vector<std::string> paths = Paths(false);
    return paths[Below(static_cast<int>(paths.size()))];
  }
  std::string AnyPlace() {
    const std::vector<std::string> paths = Paths(true);
    return absl::StrCat(paths[Below(static_cast<int>(paths.size()))], "/", NewName());
  }

  void Write(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | flags, 0644);
    if (fd < 0) return;
    const std::string bytes(Below(3) * 1000, static_cast<char>('a' + Below(3)));
    EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    ::close(fd);
  }

  void RunOne() {
    std::error_code ignored;
    const std::string path = AnyPath();
    const std::string place = AnyPlace();
    switch (Below(18)) {
      case 0:
      case 1:
        Write(place, O_CREAT | O_TRUNC);
        break;
      case 2:
        Write(path, O_APPEND);
        break;
      case 3:
        Write(path, 0);
        break;
      case 4:
        Write(path, O_TRUNC);
        break;
      case 5:
        ::unlink(path.c_str());
        break;
      case 6:
        ::mkdir(place.c_str(), 0755);
        break;
      case 7:
        if (path != root_ && Below(2) == 0) fs::remove_all(path, ignored);
        break;
      case 8:
      case 9:
      case 10:
        if (path != root_) ::rename(path.c_str(), place.c_str());
        break;
      case 11:
        fs::create_symlink(NewName(), place, ignored);
        break;
      case 12:
        fs::create_hard_link(path, place, ignored);
        break;
      case 13:
        // Searchable by root in any case; 07000 bits are stripped by the capture.
        if (!fs::is_symlink(path))
          ::chmod(path.c_str(),
                  std::vector<mode_t>{0644, 0755, 0600, 0711, 04755, 02755, 01777}[Below(7)]);
        break;
      case 14: {
        const timespec times[] = {{0, UTIME_OMIT}, {1'500'000'000 + Below(3), Below(3)}};
        ::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
        break;
      }
      case 15:
        // A file where a directory was, or the other way round.
        if (path == root_) break;
        if (fs::is_directory(fs::symlink_status(path))) {
          fs::remove_all(path, ignored);
          Write(path, O_CREAT);
        } else {
          ::unlink(path.c_str());
          ::mkdir(path.c_str(), 0755);
          Write(absl::StrCat(path, "/", NewName()), O_CREAT);
        }
        break;
      case 16:
        if (path == root_ || !fs::is_directory(fs::symlink_status(path))) break;
        // Replaced by an empty directory: opaque.
        fs::remove_all(path, ignored);
        ::mkdir(path.c_str(), 0755);
        break;
      case 17:
        if (Below(3) == 0) ::mkfifo(place.c_str(), 0644);
        if (Below(3) == 0) {
          EXPECT_EQ(::lchown(path.c_str(), 1000 + Below(2), 1000), 0);
        }
        break;
    }
  }

  const std::string root_;
  std::mt19937 random_;
};

// What a capture says that it found, as a comparison of the two trees finds it.
void ExpectCountsOf(const WorkspaceStore::CaptureResult& captured, const blob::Digest& before,
                    blob::MemoryBlobStore& store) {
  blob::CachingDirectoryReader reader(&store);
  const auto entries = blob::Diff(reader, before, captured.output_root);
  ASSERT_TRUE(entries.ok()) << entries.status();
  const auto count = [&entries](blob::DeltaEntry::Kind kind) {
    return std::count_if(entries->begin(), entries->end(),
                         [kind](const blob::DeltaEntry& entry) { return entry.kind == kind; });
  };
  EXPECT_EQ(captured.added, count(blob::DeltaEntry::Kind::kAdded));
  EXPECT_EQ(captured.changed, count(blob::DeltaEntry::Kind::kChanged));
  EXPECT_EQ(captured.removed, count(blob::DeltaEntry::Kind::kRemoved));
}

class CapturePropertyTest : public testing::TestWithParam<int> {};

TEST_P(CapturePropertyTest, DeltaEqualsFullScan) {
  const unsigned seed = static_cast<unsigned>(GetParam());
  TestDirectory directory;
  blob::MemoryBlobStore remote;
  RunScript(directory.path(), "mkdir base");
  RandomOperations(directory.Below("base"), seed).Run(120);
  blob::Digest root = UploadDirectory(directory.Below("base"), remote);

  // Few layers, so that chains are flattened on the way.
  auto store = OpenStore(directory.Below("store"), &remote, /*max_layers=*/3);
  ASSERT_NE(store, nullptr);
  auto follower = OpenStore(directory.Below("follower"), &remote, /*max_layers=*/4);
  ASSERT_NE(follower, nullptr);
  const auto expect_shown_by = [&](WorkspaceStore& host, const blob::Digest& wanted) {
    const auto mount_point = host.CreateMountPoint("b-9-1");
    ASSERT_TRUE(mount_point.ok()) << mount_point.status();
    ASSERT_EQ(host.Mount("b-9-1", wanted, 0, 0), absl::OkStatus());
    EXPECT_EQ(ScanOf(*mount_point), wanted);
    ASSERT_EQ(host.Discard("b-9-1"), absl::OkStatus());
  };
  for (int step = 0; step < kStepsPerChain; ++step) {
    SCOPED_TRACE(absl::StrCat("seed ", seed, " step ", step));
    const std::string attempt = absl::StrCat("b-", step, "-1");
    const auto mount_point = store->CreateMountPoint(attempt);
    ASSERT_TRUE(mount_point.ok()) << mount_point.status();
    ASSERT_EQ(store->Mount(attempt, root, 0, 0), absl::OkStatus());
    ASSERT_EQ(ScanOf(*mount_point), root);
    RandomOperations(*mount_point, seed * 1000 + step).Run(kOperationsPerStep);
    const blob::Digest scanned = ScanOf(*mount_point);
    const auto captured = store->Capture(attempt, absl::Now() + absl::Minutes(1));
    ASSERT_TRUE(captured.ok()) << captured.status();
    ASSERT_EQ(captured->output_root, scanned);
    ExpectCountsOf(*captured, root, remote);
    root = captured->output_root;
    ASSERT_EQ(store->Discard(attempt), absl::OkStatus());
    expect_shown_by(*follower, root);
  }

  auto elsewhere = OpenStore(directory.Below("elsewhere"), &remote);
  ASSERT_NE(elsewhere, nullptr);
  expect_shown_by(*elsewhere, root);
  EXPECT_THAT(MountsBelow(directory.path()), testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, CapturePropertyTest, testing::Range(0, 40));

}  // namespace
}  // namespace rally::workspace
