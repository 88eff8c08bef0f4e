#ifndef RALLY_AGENT_WORKSPACE_WORKSPACE_STORE_FIXTURE_H_
#define RALLY_AGENT_WORKSPACE_WORKSPACE_STORE_FIXTURE_H_

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/workspace/workspace_fixture.h"
#include "agent/workspace/workspace_store.h"
#include "common/blob/memory_blob_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::workspace {

inline absl::Time Soon() { return absl::Now() + absl::Minutes(1); }

inline std::string Contents(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// A store with the tree of base_, whose blobs are in remote_. At the end nothing may be mounted.
class WorkspaceStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    RunScript(directory_.path(),
              "mkdir -p base/src; echo one > base/src/a; echo two > base/b; : > base/empty; "
              "find base -exec touch -d '2020-02-03 04:05:06.7' {} +");
    base_ = UploadDirectory(directory_.Below("base"), remote_);
    store_ = OpenStore(StoreDirectory(), &remote_);
    ASSERT_NE(store_, nullptr);
  }
  void TearDown() override {
    if (store_ == nullptr) return;
    for (const std::string& attempt : store_->Attempts()) {
      EXPECT_EQ(store_->Discard(attempt), absl::OkStatus());
    }
    store_.reset();
    EXPECT_THAT(MountsBelow(directory_.path()), testing::IsEmpty());
  }

  std::string StoreDirectory() const { return directory_.Below("store"); }

  // As after a restart of the agent.
  void Reopen() {
    store_.reset();
    store_ = OpenStore(StoreDirectory(), &remote_);
    ASSERT_NE(store_, nullptr);
  }

  // Returns the mount point.
  std::string MountFor(const std::string& attempt, const blob::Digest& root, uint32_t uid = 0,
                       uint32_t gid = 0) {
    const auto mount_point = store_->CreateMountPoint(attempt);
    EXPECT_TRUE(mount_point.ok()) << mount_point.status();
    EXPECT_EQ(store_->Mount(attempt, root, uid, gid), absl::OkStatus());
    return mount_point.ok() ? *mount_point : "";
  }

  // One step: mounts, runs the script, captures, discards, and returns the root.
  blob::Digest Step(const std::string& attempt, const blob::Digest& root,
                    const std::string& script) {
    RunScript(MountFor(attempt, root), script);
    const auto captured = store_->Capture(attempt, Soon());
    EXPECT_TRUE(captured.ok()) << captured.status();
    EXPECT_EQ(store_->Discard(attempt), absl::OkStatus());
    return captured.ok() ? captured->output_root : blob::Digest();
  }

  std::vector<std::string> Layers() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(StoreDirectory() + "/layers")) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  TestDirectory directory_;
  blob::MemoryBlobStore remote_;
  blob::Digest base_;
  std::unique_ptr<WorkspaceStore> store_;
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_WORKSPACE_STORE_FIXTURE_H_
