#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "agent/executor.h"
#include "agent/executor_rig_for_test.h"
#include "tests/support/eventually.h"

// What an agent does that finds what an earlier one left.
namespace rally::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kName[] = "b1-0-1";

v1::AttemptState StateOf(ExecutorRig& rig) {
  const auto summaries = rig.executor().Summaries();
  return summaries.size() == 1 ? summaries[0].state() : v1::ATTEMPT_STATE_UNSPECIFIED;
}

TEST(ExecutorRestartTest, ARunningStepIsAdopted) {
  ExecutorRig rig;
  rig.Run(0);
  rig.Restart();
  EXPECT_EQ(StateOf(rig), v1::ATTEMPT_STATE_RUNNING);
  rig.executor().ReportAll();
  rig.Await(v1::AgentMessage::kStarted);
  rig.host().End(kName, 9);
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.exit_code(), 9);
  EXPECT_GT(result.running().nanos() + result.running().seconds(), 0);
  EXPECT_EQ(rig.host().CallCount("Start"), 1);
  EXPECT_EQ(rig.host().CallCount("Create"), 1);
  rig.Acknowledge(0);
}

TEST(ExecutorRestartTest, AStepThatEndedMeanwhileKeepsItsCode) {
  ExecutorRig rig;
  rig.Run(0);
  rig.Stop();
  rig.host().End(kName, 42);
  rig.Restart();
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_EXITED);
  EXPECT_EQ(result.exit_code(), 42);
  EXPECT_EQ(result.output().hash(), blob::DigestOf(kName).hash);
}

TEST(ExecutorRestartTest, APreparedStepWaitsForANewGrant) {
  ExecutorRig rig;
  rig.executor().OnPrepare(rig.Prepare(0));
  rig.Await(v1::AgentMessage::kPrepared);
  rig.Restart();
  EXPECT_EQ(StateOf(rig), v1::ATTEMPT_STATE_PREPARED);
  rig.executor().ReportAll();
  EXPECT_EQ(rig.Await(v1::AgentMessage::kPrepared).prepared().image_digest(), "sha256:0123");
  EXPECT_EQ(rig.host().CallCount("Start"), 0) << "nothing starts by itself";
  rig.executor().OnStartGrant(rig.Grant(0));
  rig.Await(v1::AgentMessage::kStarted);
  EXPECT_EQ(rig.host().CallCount("Create"), 1);
  EXPECT_EQ(rig.workspaces().Mounted(kName), "aaaa:7:8") << "the image's user is in the journal";
}

TEST(ExecutorRestartTest, WhatWasBeingPreparedNeverWasThere) {
  ExecutorRig rig;
  rig.host().Hold("Create");
  rig.executor().OnPrepare(rig.Prepare(0));
  ASSERT_TRUE(
      testing::Eventually(absl::Seconds(10), [&] { return rig.host().CallCount("Create") == 1; }));
  rig.Restart();
  rig.host().Release("Create");
  EXPECT_THAT(rig.executor().Summaries(), IsEmpty());
  EXPECT_TRUE(rig.AwaitGone(0));
  // The controller sends it again, and nothing of before is in the way.
  rig.executor().OnPrepare(rig.Prepare(0));
  rig.Await(v1::AgentMessage::kPrepared);
}

TEST(ExecutorRestartTest, WhatIsBeingRemovedCanBeSentAgain) {
  ExecutorRig rig;
  rig.Run(0);
  rig.Restart();
  ASSERT_EQ(rig.journal().Remove(rig.Key(0)), absl::OkStatus());
  rig.Stop();
  rig.host().Hold("Delete");
  rig.Restart();
  rig.executor().OnPrepare(rig.Prepare(0));
  EXPECT_EQ(StateOf(rig), v1::ATTEMPT_STATE_PREPARING);
  EXPECT_EQ(rig.host().CallCount("Create"), 1) << "not before the old container is gone";
  rig.host().Release("Delete");
  rig.Await(v1::AgentMessage::kPrepared);
  EXPECT_EQ(rig.host().CallCount("Create"), 2);
  rig.executor().OnStartGrant(rig.Grant(0));
  rig.Await(v1::AgentMessage::kStarted);
  EXPECT_TRUE(rig.host().Exists(kName));
}

TEST(ExecutorRestartTest, ACrashBetweenTheJournalAndTheStartIsNoStart) {
  ExecutorRig rig;
  rig.executor().OnPrepare(rig.Prepare(0));
  rig.Await(v1::AgentMessage::kPrepared);
  rig.Stop();
  {
    // As the journal is when the process dies just before Start().
    ExecutorRig* const same = &rig;
    same->Restart();
    v1::AttemptRecord record = same->journal().found_attempts().at(0);
    record.set_state(v1::ATTEMPT_STATE_STARTING);
    *record.mutable_grant() = rig.Grant(0);
    record.set_deadline_boot_ns(1);
    ASSERT_EQ(same->journal().Put(record), absl::OkStatus());
  }
  rig.Restart();
  EXPECT_EQ(StateOf(rig), v1::ATTEMPT_STATE_PREPARED);
  EXPECT_EQ(rig.host().CallCount("Start"), 0);
  rig.executor().OnStartGrant(rig.Grant(0));
  rig.Await(v1::AgentMessage::kStarted);
  EXPECT_EQ(rig.host().CallCount("Start"), 1);
}

TEST(ExecutorRestartTest, AResultIsSentUntilItIsAcknowledged) {
  ExecutorRig rig;
  rig.Run(0);
  rig.host().End(kName, 1);
  rig.Await(v1::AgentMessage::kResult);
  for (int restarts = 0; restarts < 2; ++restarts) {
    rig.Restart();
    EXPECT_EQ(StateOf(rig), v1::ATTEMPT_STATE_ENDED);
    rig.executor().ReportAll();
    EXPECT_EQ(rig.Await(v1::AgentMessage::kResult).result().exit_code(), 1);
  }
  rig.executor().ReportResults();
  EXPECT_EQ(rig.Await(v1::AgentMessage::kResult).result().exit_code(), 1);
  rig.Acknowledge(0);
  rig.Restart();
  EXPECT_THAT(rig.journal().found_attempts(), IsEmpty());
}

TEST(ExecutorRestartTest, AContainerThatIsGoneIsReported) {
  ExecutorRig rig;
  rig.Run(0);
  rig.Stop();
  rig.host().LoseTask(kName);
  rig.Restart();
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_ERRORED);
  EXPECT_TRUE(result.may_retry());
  EXPECT_FALSE(result.never_started());
  rig.Acknowledge(0);
}

TEST(ExecutorRestartTest, ARebootEndsWhatRanAndForgetsWhatWaited) {
  ExecutorRig rig;
  rig.Run(0);
  rig.executor().OnPrepare(rig.Prepare(1));
  rig.Await(v1::AgentMessage::kPrepared);
  rig.Stop();
  rig.host().LoseTask(kName);
  rig.Restart(/*rebooted=*/true);
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.key().step(), 0);
  EXPECT_TRUE(result.may_retry());
  EXPECT_THAT(result.message(), HasSubstr("rebooted"));
  EXPECT_TRUE(rig.AwaitGone(1));
  EXPECT_THAT(rig.executor().Summaries(), SizeIs(1));
}

TEST(ExecutorRestartTest, TheStepClockGoesOn) {
  ExecutorRig rig;
  rig.Run(0, absl::Milliseconds(300));
  rig.Restart();
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_TIMED_OUT);
  EXPECT_EQ(rig.host().SignalsTo(kName).front(), SIGTERM);
}

TEST(ExecutorRestartTest, WhyAStepWasBeingEndedIsRemembered) {
  ExecutorRig rig;
  rig.limits().kill_grace = absl::Hours(1);
  rig.Restart();
  runtime::FakeScript deaf;
  deaf.runs_until_ended = true;
  deaf.exit_on_signal = {};
  rig.host().SetScript(kName, deaf);
  rig.host().FailNext("Signal", absl::UnavailableError("containerd is away"), 1);
  rig.Run(0, absl::Milliseconds(20));
  ASSERT_TRUE(
      testing::Eventually(absl::Seconds(10), [&] { return rig.host().CallCount("Signal") >= 1; }));
  rig.Restart();
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_TIMED_OUT);
}

TEST(ExecutorRestartTest, StrangersAreRemoved) {
  ExecutorRig rig;
  rig.Run(0);
  rig.Restart();
  ASSERT_EQ(rig.journal().Remove(rig.Key(0)), absl::OkStatus());
  ASSERT_EQ(rig.workspaces().CreateMountPoint("b7-7-7").status(), absl::OkStatus());
  rig.Restart();
  EXPECT_TRUE(rig.AwaitGone(0));
  EXPECT_TRUE(
      testing::Eventually(absl::Seconds(10), [&] { return rig.workspaces().Attempts().empty(); }));
  EXPECT_THAT(rig.executor().Summaries(), IsEmpty());
}

TEST(ExecutorRestartTest, VerdictsAreObeyed) {
  ExecutorRig rig;
  rig.Run(0);
  rig.Restart();
  v1::AttemptVerdict verdict;
  *verdict.mutable_key() = rig.Key(0);
  verdict.set_verdict(v1::VERDICT_KEEP);
  rig.executor().OnVerdict(verdict);
  EXPECT_EQ(StateOf(rig), v1::ATTEMPT_STATE_RUNNING);
  verdict.set_verdict(v1::VERDICT_KILL);
  rig.executor().OnVerdict(verdict);
  EXPECT_TRUE(rig.AwaitGone(0));

  rig.Run(1);
  rig.host().End("b1-1-1", 0);
  rig.Await(v1::AgentMessage::kResult);
  *verdict.mutable_key() = rig.Key(1);
  verdict.set_verdict(v1::VERDICT_FORGET);
  rig.executor().OnVerdict(verdict);
  EXPECT_THAT(rig.executor().Summaries(), SizeIs(1)) << "its log isn't durable yet";
  rig.executor().OnLogDurable(rig.Key(1));
  EXPECT_TRUE(rig.AwaitGone(1));
}

}  // namespace
}  // namespace rally::agent
