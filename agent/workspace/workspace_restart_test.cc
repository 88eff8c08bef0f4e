// What a store finds again after a restart of the agent or of the host, and what it doesn't trust.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/workspace/workspace_store_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using WorkspaceRestartTest = WorkspaceStoreTest;

TEST_F(WorkspaceRestartTest, RestartKeepsTheMountAndCaptures) {
  const std::string path = MountFor("b-1-1", base_);
  RunScript(path, "echo before > before");
  Reopen();
  EXPECT_THAT(store_->Attempts(), ElementsAre("b-1-1"));
  RunScript(path, "echo after > after");
  const blob::Digest scanned = ScanOf(path);
  EXPECT_EQ(store_->CreateMountPoint("b-1-1").value(), path);
  EXPECT_EQ(store_->Mount("b-1-1", base_, 0, 0), absl::OkStatus());
  const auto captured = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(captured.ok()) << captured.status();
  EXPECT_EQ(captured->output_root, scanned);
}

TEST_F(WorkspaceRestartTest, RestartThenDiscard) {
  const std::string path = MountFor("b-1-1", base_);
  ASSERT_TRUE(store_->CreateMountPoint("b-2-1").ok());
  Reopen();
  EXPECT_THAT(store_->Attempts(), ElementsAre("b-1-1", "b-2-1"));
  EXPECT_EQ(store_->Discard("b-1-1"), absl::OkStatus());
  EXPECT_EQ(store_->Discard("b-2-1"), absl::OkStatus());
  EXPECT_EQ(store_->Discard("b-2-1"), absl::OkStatus());
  EXPECT_EQ(store_->Discard("never-seen"), absl::OkStatus());
  EXPECT_THAT(store_->Attempts(), IsEmpty());
  EXPECT_THAT(MountsBelow(directory_.path()), IsEmpty());
  store_->FinishBackgroundWork();
  EXPECT_TRUE(fs::is_empty(StoreDirectory() + "/trash"));
}

TEST_F(WorkspaceRestartTest, DiscardOfAMountInUseDetachesIt) {
  const std::string path = MountFor("b-1-1", base_);
  const int fd = ::open((path + "/src/a").c_str(), O_RDONLY);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(store_->Discard("b-1-1"), absl::OkStatus());
  EXPECT_THAT(MountsBelow(path), IsEmpty());
  ::close(fd);
}

// The upper of an earlier boot may lack what was never written to the disk.
TEST_F(WorkspaceRestartTest, AttemptOfAnEarlierBootIsNotCaptured) {
  const std::string path = MountFor("b-1-1", base_);
  RunScript(path, "echo lost > lost");
  const std::string record_path = StoreDirectory() + "/attempts/b-1-1/record";
  const std::string record = Contents(record_path);
  const size_t boot = record.find("boot ");
  ASSERT_NE(boot, std::string::npos);
  std::ofstream(record_path) << std::string(record).replace(boot + 5, 4, "0000");
  const auto captured = store_->Capture("b-1-1", Soon());
  EXPECT_EQ(captured.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(captured.status().message(), HasSubstr("restarted"));
  EXPECT_EQ(store_->Discard("b-1-1"), absl::OkStatus());
}

TEST_F(WorkspaceRestartTest, AfterARebootOnlySyncedTreesAreTrusted) {
  ASSERT_EQ(store_->EnsureTree(base_, Soon()), absl::OkStatus());
  store_.reset();  // An orderly end syncs.
  store_ = OpenStore(StoreDirectory(), &remote_);
  const blob::Digest unsynced = Step("b-1-1", base_, "echo three > c");
  // What the disk would look like, had the host crashed now: only that the boot is another one.
  RunScript(directory_.path(), "cp -r store crashed; printf 'other\\nend\\n' > crashed/boot");
  auto crashed = OpenStore(directory_.Below("crashed"), &remote_);
  ASSERT_NE(crashed, nullptr);
  EXPECT_TRUE(crashed->HasTree(base_));
  EXPECT_FALSE(crashed->HasTree(unsynced));
}

TEST_F(WorkspaceRestartTest, DamagedRecordsAreNotTrusted) {
  ASSERT_EQ(store_->EnsureTree(base_, Soon()), absl::OkStatus());
  store_.reset();
  const std::string manifest =
      absl::StrCat(StoreDirectory(), "/trees/", base_.hash, "-", base_.size_bytes);
  fs::resize_file(manifest, fs::file_size(manifest) - 3);
  RunScript(StoreDirectory(), "mkdir -p staging/layer-9/x; mkdir layers/77; echo > layers/77/f");
  store_ = OpenStore(StoreDirectory(), &remote_);
  ASSERT_NE(store_, nullptr);
  EXPECT_FALSE(store_->HasTree(base_));
  EXPECT_THAT(Layers(), IsEmpty());
  EXPECT_TRUE(fs::is_empty(StoreDirectory() + "/staging"));
  ASSERT_EQ(store_->EnsureTree(base_, Soon()), absl::OkStatus());
  EXPECT_EQ(ScanOf(MountFor("b-1-1", base_)), base_);
}

// A container that was created early has bound the mount point already.

}  // namespace
}  // namespace rally::workspace
