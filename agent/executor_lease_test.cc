// Steps that must not run twice at a time end by themselves when the controller is silent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "agent/executor.h"
#include "agent/executor_rig_for_test.h"
#include "agent/step_clock.h"
#include "google/protobuf/util/time_util.h"
#include "tests/support/eventually.h"

namespace rally::agent {
namespace {

using ::testing::HasSubstr;

constexpr char kName[] = "b1-0-1";
constexpr absl::Duration kPatience = absl::Seconds(10);
constexpr int64_t kSecond = 1'000'000'000;

v1::StartGrant ExclusiveGrant(const ExecutorRig& rig, absl::Duration lease) {
  v1::StartGrant grant = rig.Grant(0);
  *grant.mutable_exclusive_lease() =
      google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(lease));
  return grant;
}

void RunExclusive(ExecutorRig& rig, absl::Duration lease) {
  rig.executor().OnPrepare(rig.Prepare(0));
  rig.Await(v1::AgentMessage::kPrepared);
  rig.executor().OnStartGrant(ExclusiveGrant(rig, lease));
  EXPECT_TRUE(rig.Await(v1::AgentMessage::kStarted).has_started());
}

void ExpectEndedByLease(const v1::Result& result) {
  EXPECT_EQ(result.kind(), v1::END_KIND_ERRORED);
  EXPECT_TRUE(result.may_retry());
  EXPECT_FALSE(result.never_started());
  EXPECT_FALSE(result.has_output()) << "nobody wants its files";
  EXPECT_THAT(result.message(), HasSubstr("heard nothing of the controller"));
}

TEST(ExecutorLeaseTest, WithoutAWordFromTheControllerTheStepEnds) {
  ExecutorRig rig;
  runtime::FakeScript script;
  script.runs_until_ended = true;
  rig.host().SetScript(kName, script);
  rig.executor().OnHeard(BootNanos());
  RunExclusive(rig, absl::Milliseconds(100));
  ExpectEndedByLease(rig.Await(v1::AgentMessage::kResult).result());
  EXPECT_EQ(rig.host().SignalsTo(kName).front(), SIGTERM);
}

TEST(ExecutorLeaseTest, AWordInTimeLetsItGoOn) {
  ExecutorRig rig;
  runtime::FakeScript script;
  script.runs_until_ended = true;
  rig.host().SetScript(kName, script);
  rig.executor().OnHeard(BootNanos());
  RunExclusive(rig, absl::Seconds(1));
  // Many leases later it runs.
  const int64_t end = BootNanos() + 3 * kSecond;
  EXPECT_TRUE(testing::Eventually(kPatience, [&] {
    rig.executor().OnHeard(BootNanos());
    return BootNanos() > end;
  }));
  EXPECT_TRUE(rig.host().SignalsTo(kName).empty());
  rig.host().End(kName, 3);
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_EXITED);
  EXPECT_EQ(result.exit_code(), 3);
}

TEST(ExecutorLeaseTest, OtherStepsHaveNoLease) {
  ExecutorRig rig;
  runtime::FakeScript script;
  script.exit_code = 2;
  rig.host().SetScript(kName, script);
  rig.Run(0);
  EXPECT_EQ(rig.Await(v1::AgentMessage::kResult).result().exit_code(), 2)
      << "though the controller was never heard";
}

TEST(ExecutorLeaseTest, AGrantThatWasLongUnderWayStartsNothing) {
  ExecutorRig rig;
  rig.executor().OnHeard(BootNanos() - 10 * kSecond);
  rig.executor().OnPrepare(rig.Prepare(0));
  rig.Await(v1::AgentMessage::kPrepared);
  rig.executor().OnStartGrant(ExclusiveGrant(rig, absl::Seconds(5)));
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_ERRORED);
  EXPECT_TRUE(result.never_started());
  EXPECT_TRUE(result.may_retry());
  EXPECT_EQ(rig.host().CallCount("Start"), 0);
}

TEST(ExecutorLeaseTest, ANewProcessOfTheAgentKeepsTheLease) {
  ExecutorRig rig;
  runtime::FakeScript script;
  script.runs_until_ended = true;
  rig.host().SetScript(kName, script);
  rig.executor().OnHeard(BootNanos());
  RunExclusive(rig, absl::Milliseconds(300));
  rig.Restart();
  ExpectEndedByLease(rig.Await(v1::AgentMessage::kResult).result());
}

}  // namespace
}  // namespace rally::agent
