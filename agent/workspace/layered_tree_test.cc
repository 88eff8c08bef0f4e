// Trees that come to a host which has one that resembles them.

#include <sys/stat.h>

#include <algorithm>
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
using ::testing::ElementsAre;

absl::Time Soon() { return absl::Now() + absl::Minutes(1); }

class LayeredTreeTest : public testing::Test {
 protected:
  void SetUp() override {
    RunScript(directory_.path(),
              "mkdir -p tree/a/deep tree/b tree/c; for i in {1..20}; do echo $i > tree/a/$i; "
              "echo b$i > tree/b/$i; done; echo x > tree/a/deep/x; ln -s a tree/link; "
              "echo gone > tree/c/gone");
    base_ = Upload();
    store_ = OpenStore(StoreDirectory(), &remote_, /*max_layers=*/3);
    ASSERT_NE(store_, nullptr);
    ASSERT_EQ(store_->EnsureTree(base_, Soon()), absl::OkStatus());
  }

  std::string StoreDirectory() const { return directory_.Below("store"); }
  blob::Digest Upload() { return UploadDirectory(directory_.Below("tree"), remote_); }
  // The tree after a change elsewhere.
  blob::Digest Change(const std::string& script) {
    RunScript(directory_.Below("tree"), script);
    return Upload();
  }

  // What is in the layer that came last, but directories.
  std::vector<std::string> LastLayer() const {
    int last = 0;
    for (const auto& layer : fs::directory_iterator(StoreDirectory() + "/layers")) {
      last = std::max(last, std::stoi(layer.path().filename()));
    }
    const fs::path root = absl::StrCat(StoreDirectory(), "/layers/", last);
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (entry.is_directory() && !entry.is_symlink()) continue;
      names.push_back(absl::StrCat(entry.path().lexically_relative(root).string(),
                                   entry.is_character_file() ? " hidden" : ""));
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  void ExpectShown(const blob::Digest& root) {
    const auto mount_point = store_->CreateMountPoint("b-1-1");
    ASSERT_TRUE(mount_point.ok()) << mount_point.status();
    ASSERT_EQ(store_->Mount("b-1-1", root, 0, 0), absl::OkStatus());
    EXPECT_EQ(ScanOf(*mount_point), root);
    EXPECT_EQ(store_->Discard("b-1-1"), absl::OkStatus());
  }

  TestDirectory directory_;
  blob::MemoryBlobStore remote_;
  blob::Digest base_;
  std::unique_ptr<WorkspaceStore> store_;
};

TEST_F(LayeredTreeTest, OnlyWhatDiffersIsFetchedAndWritten) {
  const blob::Digest changed = Change("echo new > a/7; echo added > b/added; rm c/gone");
  const int64_t reads_before = remote_.read_blobs();
  ASSERT_EQ(store_->EnsureTree(changed, Soon()), absl::OkStatus());
  // The root, a, b, and c, which is empty now, and two files.
  EXPECT_EQ(remote_.read_blobs() - reads_before, 6);
  EXPECT_THAT(LastLayer(), ElementsAre("a/7", "b/added", "c/gone hidden"));
  ExpectShown(changed);
  ExpectShown(base_);
}

TEST_F(LayeredTreeTest, WhatIsOfAnotherKindTakesThePlace) {
  const blob::Digest changed = Change(
      "rm -r a/deep; echo file > a/deep; rm b/1; mkdir b/1; echo y > b/1/y; ln -sfn b link; "
      "chmod 700 c; touch -d 2020-01-01 b/2");
  ASSERT_EQ(store_->EnsureTree(changed, Soon()), absl::OkStatus());
  EXPECT_THAT(LastLayer(), ElementsAre("a/deep", "b/1/y", "b/2", "link"));
  ExpectShown(changed);
  // And back again.
  const blob::Digest back = Change(
      "rm a/deep; mkdir a/deep; echo x > a/deep/x; rm -r b/1; echo b1 > b/1; ln -sfn a link");
  ASSERT_EQ(store_->EnsureTree(back, Soon()), absl::OkStatus());
  ExpectShown(back);
}

TEST_F(LayeredTreeTest, WhatMovedIsReadWhereItIsKnown) {
  const blob::Digest changed = Change("mv a/deep c/moved; cp -a b c/copy");
  const int64_t reads_before = remote_.read_blobs();
  ASSERT_EQ(store_->EnsureTree(changed, Soon()), absl::OkStatus());
  // The root, a, and c.
  EXPECT_EQ(remote_.read_blobs() - reads_before, 3);
  EXPECT_EQ(LastLayer().size(), 22);
  ExpectShown(changed);
}

TEST_F(LayeredTreeTest, WhatIsKnownIsReadForATreeThatStandsAlone) {
  const blob::Digest changed =
      Change("rm -r b link c; for i in {1..20}; do echo $i.. > a/$i; done");
  const int64_t reads_before = remote_.read_blobs();
  ASSERT_EQ(store_->EnsureTree(changed, Soon()), absl::OkStatus());
  // The root, a, and its files.
  EXPECT_EQ(remote_.read_blobs() - reads_before, 22);
  EXPECT_EQ(LastLayer().size(), 21);
  ExpectShown(changed);
}

TEST_F(LayeredTreeTest, ManyLayersBecomeOneAndARestartKeepsThem) {
  std::vector<blob::Digest> roots;
  for (int i = 0; i < 8; ++i) {
    roots.push_back(Change(absl::StrCat("echo ", i, " again > a/3; rm a/", 10 + i)));
    ASSERT_EQ(store_->EnsureTree(roots.back(), Soon()), absl::OkStatus());
    store_->FinishBackgroundWork();
  }
  for (const blob::Digest& root : roots) ExpectShown(root);
  store_.reset();
  store_ = OpenStore(StoreDirectory(), &remote_, /*max_layers=*/3);
  const int64_t reads_before = remote_.read_blobs();
  for (const blob::Digest& root : roots) ExpectShown(root);
  EXPECT_EQ(remote_.read_blobs(), reads_before);
}

}  // namespace
}  // namespace rally::workspace
