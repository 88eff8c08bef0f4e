// What goes when the trees on a host exceed their budget, on disks that are full for real.

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/workspace/workspace_fixture.h"
#include "agent/workspace/workspace_store.h"
#include "common/blob/memory_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::Time Soon() { return absl::Now() + absl::Minutes(1); }

constexpr int64_t kMiB = 1 << 20;

class TreeEvictionTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::mkdir(Disk().c_str(), 0755), 0);
    // Of its own size, whatever else is on the machine.
    ASSERT_EQ(::mount("rally", Disk().c_str(), "tmpfs", 0, "size=64m,nr_inodes=4000"), 0);
  }
  void TearDown() override {
    if (store_ == nullptr) return;
    for (const std::string& attempt : store_->Attempts()) {
      EXPECT_EQ(store_->Discard(attempt), absl::OkStatus());
    }
    store_.reset();
  }

  std::string Disk() const { return directory_.Below("disk"); }

  void Open(TreeBudget budget) {
    store_.reset();
    WorkspaceStore::Options options;
    options.directory = Disk() + "/store";
    options.budget = budget;
    auto opened = WorkspaceStore::Open(options, &remote_);
    ASSERT_EQ(opened.status(), absl::OkStatus());
    store_ = *std::move(opened);
  }

  // A tree of so many files of one MiB that no other tree has.
  blob::Digest MakeTree(int files) {
    const std::string name = absl::StrCat("tree", ++trees_);
    RunScript(directory_.path(),
              absl::StrCat("mkdir ", name, "; for i in $(seq ", files, "); do head -c 1M ",
                           "/dev/urandom > ", name, "/f$i; done"));
    const blob::Digest root = UploadDirectory(directory_.Below(name), remote_);
    fs::remove_all(directory_.Below(name));
    return root;
  }

  void Ensure(const blob::Digest& root) {
    ASSERT_EQ(store_->EnsureTree(root, Soon()), absl::OkStatus());
    store_->FinishBackgroundWork();
  }

  std::string MountFor(const std::string& attempt, const blob::Digest& root) {
    const auto mount_point = store_->CreateMountPoint(attempt);
    EXPECT_TRUE(mount_point.ok()) << mount_point.status();
    EXPECT_EQ(store_->Mount(attempt, root, 0, 0), absl::OkStatus());
    return mount_point.ok() ? *mount_point : "";
  }

  int64_t FreeBytes() const { return static_cast<int64_t>(fs::space(Disk()).available); }

  TestDirectory directory_;
  blob::MemoryBlobStore remote_;
  std::unique_ptr<WorkspaceStore> store_;
  int trees_ = 0;
};

TEST_F(TreeEvictionTest, TheOneUsedTheLongestAgoGoesFirst) {
  Open({/*max_bytes=*/34 * kMiB, /*keep_free_percent=*/0});
  const std::vector<blob::Digest> trees = {MakeTree(10), MakeTree(10), MakeTree(10)};
  for (const blob::Digest& root : trees) Ensure(root);
  for (const blob::Digest& root : trees) EXPECT_TRUE(store_->HasTree(root));
  Ensure(trees[0]);  // Used again.
  const blob::Digest another = MakeTree(5);
  Ensure(another);
  EXPECT_TRUE(store_->HasTree(trees[0]));
  EXPECT_FALSE(store_->HasTree(trees[1]));
  EXPECT_TRUE(store_->HasTree(trees[2]));
  EXPECT_TRUE(store_->HasTree(another));
  // And is fetched again.
  Ensure(trees[1]);
  EXPECT_EQ(ScanOf(MountFor("b-1-1", trees[1])), trees[1]);
}

TEST_F(TreeEvictionTest, TheOrderOutlivesARestart) {
  Open({/*max_bytes=*/34 * kMiB, /*keep_free_percent=*/0});
  const std::vector<blob::Digest> trees = {MakeTree(10), MakeTree(10), MakeTree(10)};
  for (const blob::Digest& root : trees) Ensure(root);
  Ensure(trees[0]);
  Open({/*max_bytes=*/34 * kMiB, /*keep_free_percent=*/0});
  Ensure(MakeTree(5));
  EXPECT_TRUE(store_->HasTree(trees[0]));
  EXPECT_FALSE(store_->HasTree(trees[1]));
  EXPECT_TRUE(store_->HasTree(trees[2]));
}

TEST_F(TreeEvictionTest, WhatIsMountedStays) {
  Open({/*max_bytes=*/20 * kMiB, /*keep_free_percent=*/0});
  const blob::Digest mounted = MakeTree(10);
  const std::string path = MountFor("b-1-1", mounted);
  for (int i = 0; i < 4; ++i) Ensure(MakeTree(8));
  EXPECT_TRUE(store_->HasTree(mounted));
  EXPECT_EQ(ScanOf(path), mounted);
  // Also after a restart of the agent.
  Open({/*max_bytes=*/20 * kMiB, /*keep_free_percent=*/0});
  for (int i = 0; i < 4; ++i) Ensure(MakeTree(8));
  EXPECT_TRUE(store_->HasTree(mounted));
  EXPECT_EQ(ScanOf(path), mounted);
  EXPECT_EQ(store_->Discard("b-1-1"), absl::OkStatus());
  for (int i = 0; i < 2; ++i) Ensure(MakeTree(8));
  EXPECT_FALSE(store_->HasTree(mounted));
}

TEST_F(TreeEvictionTest, WhatATreeInUseStandsOnStays) {
  Open({/*max_bytes=*/24 * kMiB, /*keep_free_percent=*/0});
  const blob::Digest base = MakeTree(10);
  RunScript(MountFor("b-1-1", base), "head -c 2M /dev/urandom > new; rm f1");
  const auto captured = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(captured.ok()) << captured.status();
  ASSERT_EQ(store_->Discard("b-1-1"), absl::OkStatus());
  const std::string path = MountFor("b-2-1", captured->output_root);
  for (int i = 0; i < 4; ++i) Ensure(MakeTree(8));
  EXPECT_EQ(ScanOf(path), captured->output_root);
}

TEST_F(TreeEvictionTest, SoMuchOfTheDiskIsLeftFree) {
  Open({/*max_bytes=*/0, /*keep_free_percent=*/25});
  for (int i = 0; i < 10; ++i) {
    Ensure(MakeTree(10));
    EXPECT_GE(FreeBytes(), 16 * kMiB);
  }
}

TEST_F(TreeEvictionTest, SoManyInodesAreLeftFree) {
  Open({/*max_bytes=*/0, /*keep_free_percent=*/25});
  std::vector<blob::Digest> trees;
  for (int i = 0; i < 6; ++i) {
    const std::string name = absl::StrCat("many", i);
    RunScript(directory_.path(),
              absl::StrCat("mkdir ", name, "; cd ", name, "; for i in {1..900}; do echo ", i,
                           " $i > $i; done"));
    trees.push_back(UploadDirectory(directory_.Below(name), remote_));
    Ensure(trees.back());
  }
  EXPECT_TRUE(store_->HasTree(trees[5]));
  EXPECT_FALSE(store_->HasTree(trees[0]));
}

TEST_F(TreeEvictionTest, ATreeThatDoesntFitMakesRoomForItself) {
  Open({/*max_bytes=*/0, /*keep_free_percent=*/0});
  const blob::Digest old = MakeTree(25);
  const blob::Digest recent = MakeTree(20);
  Ensure(old);
  Ensure(recent);
  const blob::Digest wanted = MakeTree(30);
  ASSERT_LT(FreeBytes(), 30 * kMiB);
  Ensure(wanted);
  EXPECT_EQ(ScanOf(MountFor("b-1-1", wanted)), wanted);
  EXPECT_FALSE(store_->HasTree(old));
}

TEST_F(TreeEvictionTest, AFullDiskIsSaidAndGoesBy) {
  Open({/*max_bytes=*/0, /*keep_free_percent=*/0});
  const blob::Digest mounted = MakeTree(40);
  MountFor("b-1-1", mounted);
  const blob::Digest wanted = MakeTree(30);
  const absl::Status full = store_->EnsureTree(wanted, Soon());
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(full.message(), HasSubstr("No space left on device"));
  EXPECT_THAT(full.message(), HasSubstr("in use"));
  EXPECT_FALSE(store_->HasTree(wanted));
  EXPECT_TRUE(fs::is_empty(Disk() + "/store/staging"));
  EXPECT_EQ(store_->Discard("b-1-1"), absl::OkStatus());
  Ensure(wanted);
  EXPECT_EQ(ScanOf(MountFor("b-2-1", wanted)), wanted);
}

TEST_F(TreeEvictionTest, OthersThatFillTheDiskAreNoticed) {
  Open({/*max_bytes=*/0, /*keep_free_percent=*/25});
  const blob::Digest tree = MakeTree(20);
  Ensure(tree);
  RunScript(Disk(), "head -c 35M /dev/zero > others");
  store_->KeepBudget(0);
  store_->FinishBackgroundWork();
  EXPECT_FALSE(store_->HasTree(tree));
  EXPECT_GE(FreeBytes(), 16 * kMiB);
}

TEST_F(TreeEvictionTest, NoTraceStaysOfWhatWent) {
  Open({/*max_bytes=*/20 * kMiB, /*keep_free_percent=*/0});
  const blob::Digest first = MakeTree(12);
  Ensure(first);
  Ensure(MakeTree(12));
  EXPECT_FALSE(store_->HasTree(first));
  const std::string store = Disk() + "/store";
  EXPECT_FALSE(fs::exists(absl::StrCat(store, "/trees/", first.hash, "-", first.size_bytes)));
  int messages = 0;
  for (const auto& entry : fs::recursive_directory_iterator(store + "/directories")) {
    if (entry.is_regular_file()) ++messages;
  }
  EXPECT_EQ(messages, 1);
  EXPECT_EQ(std::distance(fs::directory_iterator(store + "/layers"), fs::directory_iterator()), 1);
  EXPECT_TRUE(fs::is_empty(store + "/trash"));
}

}  // namespace
}  // namespace rally::workspace
