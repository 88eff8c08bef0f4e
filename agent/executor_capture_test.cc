// What becomes of what a step left, once its process has ended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/executor_rig_for_test.h"
#include "tests/support/eventually.h"

namespace rally::agent {
namespace {

using ::testing::HasSubstr;

constexpr char kName[] = "b1-0-1";

bool AwaitCapture(ExecutorRig& rig) {
  return testing::Eventually(absl::Seconds(10),
                             [&] { return rig.workspaces().CallCount("Capture") == 1; });
}

TEST(ExecutorCaptureTest, CancellingEndsTheCaptureToo) {
  ExecutorRig rig;
  rig.workspaces().HoldCaptures();
  rig.Run(0);
  rig.host().End(kName, 0);
  ASSERT_TRUE(AwaitCapture(rig));
  rig.executor().OnCancel(rig.Cancel(0, /*discard=*/false));
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_CANCELLED);
  EXPECT_FALSE(result.has_output());
  EXPECT_EQ(result.message(),
            "cancelled while its workspace was captured; the step had ended with exit code 0");
  EXPECT_EQ(rig.workspaces().CallCount("Capture"), 1);
  rig.Acknowledge(0);
}

TEST(ExecutorCaptureTest, CancellingEndsTheCaptureOfWhatTimedOut) {
  ExecutorRig rig;
  rig.workspaces().HoldCaptures();
  rig.Run(0, absl::Milliseconds(30));
  ASSERT_TRUE(AwaitCapture(rig));
  rig.executor().OnCancel(rig.Cancel(0, /*discard=*/false));
  EXPECT_EQ(rig.Await(v1::AgentMessage::kResult).result().kind(), v1::END_KIND_CANCELLED);
}

TEST(ExecutorCaptureTest, CancellingDoesNotWaitForAnotherTryOfTheCapture) {
  ExecutorRig rig;
  rig.limits().first_retry_pause = rig.limits().longest_retry_pause = absl::Hours(1);
  rig.Restart();
  rig.workspaces().FailNext("Capture", absl::UnavailableError("the store is away"));
  rig.workspaces().HoldCaptures();
  rig.Run(0);
  rig.host().End(kName, 0);
  ASSERT_TRUE(AwaitCapture(rig));
  rig.executor().OnCancel(rig.Cancel(0, /*discard=*/false));
  EXPECT_EQ(rig.Await(v1::AgentMessage::kResult).result().kind(), v1::END_KIND_CANCELLED);
}

TEST(ExecutorCaptureTest, DiscardingEndsTheCaptureToo) {
  ExecutorRig rig;
  rig.workspaces().HoldCaptures();
  rig.Run(0);
  rig.host().End(kName, 0);
  ASSERT_TRUE(AwaitCapture(rig));
  rig.executor().OnCancel(rig.Cancel(0, /*discard=*/true));
  EXPECT_TRUE(rig.AwaitGone(0));
}

TEST(ExecutorCaptureTest, ACaptureThatTakesTooLongSaysHowLongItMay) {
  ExecutorRig rig;
  rig.limits().capture_bound = absl::Milliseconds(20);
  rig.Restart();
  rig.workspaces().HoldCaptures();
  rig.Run(0);
  rig.host().End(kName, 0);
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_ERRORED);
  EXPECT_FALSE(result.may_retry());
  EXPECT_EQ(result.message(),
            "the step ended with exit code 0, but its workspace could not be captured: capturing: "
            "out of time (it may take 20ms)");
}

TEST(ExecutorCaptureTest, ACaptureThatLacksItsInputSaysSo) {
  ExecutorRig rig;
  rig.workspaces().Lose({blob::DigestOf("lost")});
  rig.workspaces().FailNext("Capture", absl::NotFoundError("gone"));
  rig.Run(0);
  rig.host().End(kName, 0);
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_ERRORED);
  EXPECT_FALSE(result.never_started());
  EXPECT_EQ(result.missing_size(), 1);
}

TEST(ExecutorCaptureTest, MountingAndCapturingWaitForAControllerThatIsAway) {
  ExecutorRig rig;
  rig.workspaces().FailNext("Mount", absl::UnavailableError("no blob service"), 5);
  rig.workspaces().FailNext("Capture", absl::UnavailableError("no blob service"), 5);
  rig.Run(0);
  rig.host().End(kName, 0);
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_EXITED);
  EXPECT_EQ(rig.workspaces().CallCount("Capture"), 6);
}

TEST(ExecutorCaptureTest, AStoreThatHangsDoesNotCostWhatTheStepMade) {
  ExecutorRig rig;
  rig.workspaces().FailNext("Capture", absl::DeadlineExceededError("the call took too long"), 2);
  rig.Run(0);
  rig.host().End(kName, 0);
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_EXITED);
  EXPECT_EQ(rig.workspaces().CallCount("Capture"), 3);
}

TEST(ExecutorCaptureTest, AFailedCaptureIsAnErrorThatNamesTheExitCode) {
  ExecutorRig rig;
  rig.workspaces().FailNext("Capture", absl::ResourceExhaustedError("too many entries"));
  rig.Run(0);
  rig.host().End(kName, 5);
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_ERRORED);
  EXPECT_EQ(result.exit_code(), 5);
  EXPECT_FALSE(result.may_retry());
  EXPECT_FALSE(result.has_output());
  EXPECT_THAT(result.message(), HasSubstr("exit code 5"));
  EXPECT_THAT(result.message(), HasSubstr("too many entries"));
}

}  // namespace
}  // namespace rally::agent
