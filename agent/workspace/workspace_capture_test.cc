// What a capture takes, what it refuses and what it leaves out.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/workspace/workspace_store_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using WorkspaceCaptureTest = WorkspaceStoreTest;

TEST_F(WorkspaceCaptureTest, CaptureUploadsOnlyWhatIsNew) {
  RunScript(MountFor("b-1-1", base_), "echo three > c; cp src/a copy; mv b moved");
  const int64_t uploads_before = remote_.uploaded_blobs();
  const auto captured = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(captured.ok()) << captured.status();
  // The content of c, and the root's message.
  EXPECT_EQ(remote_.uploaded_blobs() - uploads_before, 2);
  EXPECT_EQ(captured->added, 3);
  EXPECT_EQ(captured->removed, 1);
  EXPECT_EQ(captured->uploaded_bytes, 6 + captured->output_root.size_bytes);
}

TEST_F(WorkspaceCaptureTest, CaptureAgainAnswersTheSame) {
  RunScript(MountFor("b-1-1", base_), "echo three > c; mkfifo pipe");
  const auto first = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(first.ok()) << first.status();
  Reopen();
  const auto second = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->output_root, first->output_root);
  EXPECT_EQ(second->added, 1);
  EXPECT_EQ(second->uploaded_bytes, first->uploaded_bytes);
  EXPECT_THAT(second->warnings, ElementsAre(HasSubstr("pipe")));
  EXPECT_EQ(store_->Mount("b-1-1", base_, 0, 0).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(WorkspaceCaptureTest, CaptureSurvivesAFailingStore) {
  const std::string path = MountFor("b-1-1", base_);
  RunScript(path, "echo three > c; chmod 4755 c; mkfifo pipe");
  const blob::Digest scanned = ScanOf(path);
  remote_.FailWith(absl::UnavailableError("the network is down"));
  EXPECT_EQ(store_->Capture("b-1-1", Soon()).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(store_->HasTree(scanned));
  remote_.FailWith(absl::OkStatus());
  const auto captured = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(captured.ok()) << captured.status();
  EXPECT_EQ(captured->output_root, scanned);
  EXPECT_EQ(captured->warnings.size(), 2);
  EXPECT_TRUE(store_->HasTree(scanned));
}

TEST_F(WorkspaceCaptureTest, CaptureAfterItsDeadlineUploadsNothing) {
  RunScript(MountFor("b-1-1", base_), "echo three > c");
  const int64_t uploads_before = remote_.uploaded_blobs();
  EXPECT_EQ(store_->Capture("b-1-1", absl::Now() - absl::Seconds(1)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(remote_.uploaded_blobs(), uploads_before);
  EXPECT_TRUE(store_->Capture("b-1-1", Soon()).ok());
}

TEST_F(WorkspaceCaptureTest, CaptureWhileInUseIsRefused) {
  const std::string path = MountFor("b-1-1", base_);
  const int fd = ::open((path + "/src/a").c_str(), O_RDONLY);
  ASSERT_GE(fd, 0);
  const auto captured = store_->Capture("b-1-1", absl::Now());
  EXPECT_EQ(captured.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(captured.status().message(), HasSubstr("still in use"));
  ::close(fd);
  EXPECT_TRUE(store_->Capture("b-1-1", Soon()).ok());
}

TEST_F(WorkspaceCaptureTest, NameThatIsNotUtf8FailsTheCaptureAndIsNamed) {
  RunScript(MountFor("b-1-1", base_), "mkdir d; echo > d/$'caf\\xe9'");
  const auto captured = store_->Capture("b-1-1", Soon());
  EXPECT_EQ(captured.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(captured.status().message(), HasSubstr("d/caf\\351"));
}

TEST_F(WorkspaceCaptureTest, SymlinkTargetThatIsNotUtf8FailsTheCapture) {
  RunScript(MountFor("b-1-1", base_), "ln -s $'caf\\xe9' src/link");
  const auto captured = store_->Capture("b-1-1", Soon());
  EXPECT_EQ(captured.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(captured.status().message(), HasSubstr("'/src'"));
}

TEST_F(WorkspaceCaptureTest, TooDeepATreeIsRefusedAndCanBeDiscarded) {
  RunScript(MountFor("b-1-1", base_), "for i in {1..520}; do mkdir d; cd d; done");
  EXPECT_EQ(store_->Capture("b-1-1", Soon()).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(store_->Discard("b-1-1"), absl::OkStatus());
}

TEST_F(WorkspaceCaptureTest, PathsBeyondPathMaxAreCaptured) {
  const std::string path = MountFor("b-1-1", base_);
  RunScript(
      path,
      "n=$(printf 'x%.0s' {1..200}); for i in {1..40}; do mkdir $n; cd $n; done; echo deep > f");
  const auto captured = store_->Capture("b-1-1", Soon());
  ASSERT_TRUE(captured.ok()) << captured.status();
  EXPECT_EQ(captured->added, 41);
  EXPECT_EQ(store_->Discard("b-1-1"), absl::OkStatus());
  EXPECT_EQ(ScanOf(MountFor("b-2-1", captured->output_root)), captured->output_root);
}

TEST_F(WorkspaceCaptureTest, AttributesAreDroppedWithAWarning) {
  const blob::Digest root = [&] {
    const std::string path = MountFor("b-1-1", base_);
    RunScript(path, "echo x > tagged");
    const int fd = ::open((path + "/tagged").c_str(), O_RDONLY);
    EXPECT_EQ(::fsetxattr(fd, "trusted.rally", "v", 1, 0), 0);
    ::close(fd);
    const auto captured = store_->Capture("b-1-1", Soon());
    EXPECT_TRUE(captured.ok()) << captured.status();
    EXPECT_THAT(captured->warnings, ElementsAre(HasSubstr("tagged: extended attributes")));
    return captured->output_root;
  }();
  const std::string path = MountFor("b-2-1", root);
  char value[8];
  EXPECT_LT(::getxattr((path + "/tagged").c_str(), "trusted.rally", value, sizeof(value)), 0);
}

// What a layer hides must stay hidden, whoever owned it and whatever lay there.
TEST_F(WorkspaceCaptureTest, LayerShowsNoTraceOfWhatWasDropped) {
  const blob::Digest root =
      Step("b-1-1", base_, "rm b; mkfifo b; cp src/a s; chmod 4711 s; chown 1234:1234 s src");
  const std::string path = MountFor("b-2-1", root);
  struct stat stat;
  EXPECT_LT(::lstat((path + "/b").c_str(), &stat), 0);
  ASSERT_EQ(::lstat((path + "/s").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 07777, 0711);
  EXPECT_EQ(stat.st_uid, 0);
  ASSERT_EQ(::lstat((path + "/src").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_gid, 0);
}

}  // namespace
}  // namespace rally::workspace
