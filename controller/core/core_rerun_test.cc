// What becomes of a started step whose agent is lost, by its rerun class: RELIABILITY P4 to P6.
#include <string>
#include <vector>

#include "controller/core/core.h"
#include "controller/core/core_script.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::core {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

ScriptStep Step(std::string id, Rerun rerun, std::vector<std::string> after = {}) {
  ScriptStep step{std::move(id), std::move(after)};
  step.rerun = rerun;
  return step;
}

// A build "b" whose step "a" runs on agent x; agent y is idle.
class CoreRerun : public ::testing::Test {
 protected:
  void Begin(Rerun rerun) {
    script_.Start(1);
    script_.Hello("x", 1);
    script_.Submit("b", {Step("a", rerun)});
    granted_ = script_.Prepared("x", "b/a#1");
    script_.Started("x", "b/a#1");
    script_.Hello("y", 1);
  }
  ~CoreRerun() override { EXPECT_EQ(Fingerprint(*script_.Replay()), Fingerprint(script_.core())); }

  const core::Step& a() { return script_.step("b", "a"); }
  std::string State() { return script_.State("b", "a"); }

  Script script_;
  std::vector<std::string> granted_;
};

using CoreRerunSafe = CoreRerun;
using CoreRerunNever = CoreRerun;
using CoreRerunExclusive = CoreRerun;

TEST_F(CoreRerunSafe, ItRunsAgainAtOnce) {
  Begin(Rerun::kSafe);
  EXPECT_THAT(granted_, ElementsAre("grant x b/a#1 input=ctx 10m")) << "no lease";
  EXPECT_THAT(script_.Lose("x"),
              ElementsAre("cancel x b/a#1 discard", "prepare y b/a#2 input=ctx"));
}

TEST_F(CoreRerunNever, ItWaitsForTheTrueResult) {
  Begin(Rerun::kNever);
  script_.Disconnect("x");
  EXPECT_THAT(script_.Lose("x"), IsEmpty());
  EXPECT_THAT(State(), AllOf(HasSubstr("running: agent x was lost while it had the step"),
                             HasSubstr("awaited for 15m (rerun = \"never\")")));
  EXPECT_THAT(script_.Pass(absl::Minutes(14)), IsEmpty());
  EXPECT_THAT(script_.Hello("x", 1, {"b/a#1=ended"}), ElementsAre("welcome x b/a#1=resend"));
  EXPECT_THAT(script_.Exited("x", "b/a#1", 0, "A"), ElementsAre("ack x b/a#1", "ended b"));
  EXPECT_EQ(a().status, StepStatus::kSucceeded);
  EXPECT_EQ(a().attempt, 1);
}

TEST_F(CoreRerunNever, ItGoesOnWhenTheAgentIsBack) {
  Begin(Rerun::kNever);
  script_.Disconnect("x");
  script_.Lose("x");
  EXPECT_THAT(script_.Hello("x", 1, {"b/a#1=running"}), ElementsAre("welcome x b/a#1=keep"));
  EXPECT_EQ(State(), "running");
  EXPECT_THAT(script_.Pass(absl::Minutes(16)), IsEmpty()) << "nothing waits any more";
  script_.Exited("x", "b/a#1", 4);
  EXPECT_EQ(a().exit_code, 4);
}

TEST_F(CoreRerunNever, ItGoesOnWhenTheAgentIsHeardOfAgain) {
  Begin(Rerun::kNever);
  EXPECT_THAT(script_.Lose("x"), IsEmpty()) << "the session stands, nothing is cancelled";
  EXPECT_THAT(script_.HearAgain("x"), IsEmpty());
  EXPECT_EQ(State(), "running");
  EXPECT_THAT(script_.Pass(absl::Minutes(16)), IsEmpty());
}

TEST_F(CoreRerunNever, WithoutAResultItsOutcomeIsUnknown) {
  Begin(Rerun::kNever);
  script_.Disconnect("x");
  script_.Lose("x");
  EXPECT_THAT(script_.Pass(absl::Minutes(15)), Contains("ended b"));
  EXPECT_EQ(State(),
            "errored: its outcome is unknown: agent x was lost while it had the step, and did not "
            "come back with a result in 15m; it isn't run again (rerun = \"never\")");
  EXPECT_EQ(a().exit_code, 125);
  EXPECT_EQ(a().attempt, 1);
  EXPECT_EQ(script_.build("b").status, BuildStatus::kFailed);
  // Late is late: it changes nothing.
  EXPECT_THAT(script_.Hello("x", 1, {"b/a#1=running"}), ElementsAre("welcome x b/a#1=kill"));
  EXPECT_THAT(script_.Exited("x", "b/a#1", 0), ElementsAre("ack x b/a#1"));
  EXPECT_EQ(a().status, StepStatus::kErrored);
}

TEST_F(CoreRerunNever, WhenNobodyCanKnowTheWaitIsOver) {
  Begin(Rerun::kNever);
  EXPECT_THAT(script_.Hello("x", 1, {}, "another-disk"), Contains("ended b"));
  EXPECT_THAT(State(), HasSubstr("errored: its outcome is unknown: agent x came back with another "
                                 "data directory, without it"));
}

TEST_F(CoreRerunNever, ARebootEndsIt) {
  Begin(Rerun::kNever);
  script_.Hello("x", 1, {"b/a#1=running"}, "disk", {}, "second-boot");
  EXPECT_THAT(script_.Ended("x", "b/a#1", EndKind::kErrored, "the host was rebooted", true),
              ElementsAre("ack x b/a#1", "ended b"));
  EXPECT_EQ(State(),
            "errored: its outcome is unknown: agent x: the host was rebooted; it isn't run again "
            "(rerun = \"never\")");
}

TEST_F(CoreRerunNever, AnEndThatNobodyAskedForEndsIt) {
  Begin(Rerun::kNever);
  script_.Ended("x", "b/a#1", EndKind::kCancelled);
  EXPECT_EQ(a().status, StepStatus::kErrored);
  EXPECT_EQ(a().attempt, 1);
}

TEST_F(CoreRerunNever, BeforeItsStartItMayGoAnywhere) {
  script_.Hello("x", 1);
  script_.Submit("b", {Step("a", Rerun::kNever)});
  script_.Hello("y", 1);
  EXPECT_THAT(script_.Lose("x"), Contains("prepare y b/a#2 input=ctx"));
  // Granted, but the agent knows that it never started.
  script_.Prepared("y", "b/a#2");
  EXPECT_TRUE(a().granted);
  AttemptEnded never_started;
  never_started.agent = "y";
  never_started.key = {"b", 0, 2};
  never_started.kind = EndKind::kErrored;
  never_started.may_retry = true;
  never_started.never_started = true;
  EXPECT_THAT(script_.Apply(never_started), Contains("prepare y b/a#3 input=ctx"));
  // The grant was lost with the agent's process, and its journal has it as prepared.
  script_.Prepared("y", "b/a#3");
  EXPECT_THAT(script_.Hello("y", 1, {"b/a#3=prepared"}),
              ElementsAre("welcome y b/a#3=keep", "grant y b/a#3 input=ctx 10m"));
}

TEST_F(CoreRerunNever, TheWaitStartsInFullWhenTheControllerWasAway) {
  Begin(Rerun::kNever);
  script_.Disconnect("x");
  script_.Lose("x");
  script_.Wait(absl::Minutes(30));
  script_.Start(2);
  EXPECT_FALSE(IsTerminal(a().status));
  EXPECT_THAT(script_.Pass(absl::Minutes(14)), IsEmpty());
  EXPECT_THAT(script_.Pass(absl::Minutes(2)), Contains("ended b"));
}

TEST_F(CoreRerunNever, HowLongIsForTheConfigurationToSay) {
  Begin(Rerun::kNever);
  script_.Apply(ControllerStarted{2, absl::ZeroDuration(), absl::Minutes(1)});
  script_.Lose("x");
  EXPECT_THAT(script_.Pass(absl::Seconds(61)), Contains("ended b"));
}

TEST_F(CoreRerunNever, CancellingDoesNotWait) {
  Begin(Rerun::kNever);
  script_.Disconnect("x");
  script_.Lose("x");
  EXPECT_THAT(script_.Cancel("b"), Contains("ended b"));
  EXPECT_EQ(State(), "cancelled: cancelled by a person; agent x was lost meanwhile");
  EXPECT_EQ(script_.build("b").status, BuildStatus::kCancelled);
}

TEST_F(CoreRerunNever, TheTotalClockGoesOn) {
  Begin(Rerun::kNever);
  script_.Wait(absl::Minutes(55));
  script_.Disconnect("x");
  script_.Lose("x");
  EXPECT_THAT(script_.Pass(absl::Minutes(6)), Contains("ended b"));
  EXPECT_EQ(a().status, StepStatus::kCancelled);
  EXPECT_EQ(script_.build("b").status, BuildStatus::kTimedOut);
}

TEST_F(CoreRerunExclusive, ItRunsAgainWhenItsLeaseHasSurelyRunOut) {
  Begin(Rerun::kExclusive);
  EXPECT_THAT(granted_, ElementsAre("grant x b/a#1 input=ctx 10m lease=2m"));
  script_.Disconnect("x");
  EXPECT_THAT(script_.Lose("x", absl::Seconds(30)), IsEmpty());
  EXPECT_THAT(State(), AllOf(HasSubstr("agent x was lost"), HasSubstr("surely dead, in 2m15s")));
  // The silence of 30 s counts: L + 10 s + 5 s after the last sign of life.
  EXPECT_THAT(script_.Pass(absl::Seconds(104)), IsEmpty());
  EXPECT_THAT(script_.Pass(absl::Seconds(1)), Contains("prepare y b/a#2 input=ctx"));
  EXPECT_THAT(a().warnings, ElementsAre("attempt 1: agent x was lost while it had the step"));
  EXPECT_THAT(script_.Hello("x", 1, {"b/a#1=running"}), ElementsAre("welcome x b/a#1=kill"));
}

TEST_F(CoreRerunExclusive, ItGoesOnWhenTheAgentIsBackInTime) {
  Begin(Rerun::kExclusive);
  script_.Disconnect("x");
  script_.Lose("x");
  script_.Wait(absl::Minutes(1));
  EXPECT_THAT(script_.Hello("x", 1, {"b/a#1=running"}), ElementsAre("welcome x b/a#1=keep"));
  EXPECT_THAT(script_.Pass(absl::Minutes(5)), IsEmpty());
  EXPECT_EQ(State(), "running");
}

TEST_F(CoreRerunExclusive, WhatTheAgentEndedItselfRunsAgainAtOnce) {
  Begin(Rerun::kExclusive);
  script_.Disconnect("x");
  script_.Lose("x");
  script_.Hello("x", 1, {"b/a#1=ended"});
  EXPECT_THAT(script_.Ended("x", "b/a#1", EndKind::kErrored, "no word from the controller", true),
              Contains("prepare y b/a#2 input=ctx"));
}

TEST_F(CoreRerunExclusive, AHostThatWasRebootedHasKilledIt) {
  Begin(Rerun::kExclusive);
  EXPECT_THAT(script_.Hello("x", 1, {}, "another-disk", {}, "second-boot"),
              Contains("prepare y b/a#2 input=ctx"));
}

TEST_F(CoreRerunExclusive, AnAgentThatHasForgottenItOnALivingHostProvesNothing) {
  Begin(Rerun::kExclusive);
  EXPECT_THAT(script_.Hello("x", 1, {}, "another-disk"), Not(Contains(HasSubstr("prepare"))));
  EXPECT_THAT(State(), HasSubstr("came back with another data directory"));
  // However often it comes back without it.
  EXPECT_THAT(script_.Hello("x", 1, {}, "another-disk"), Not(Contains(HasSubstr("prepare"))));
  EXPECT_THAT(script_.HearAgain("x"), IsEmpty());
  EXPECT_THAT(script_.Pass(absl::Seconds(134)), IsEmpty());
  EXPECT_THAT(script_.Pass(absl::Seconds(1)), Contains("prepare y b/a#2 input=ctx"));
}

TEST_F(CoreRerunExclusive, TheSameDiskWithoutItProvesThatItIsGone) {
  Begin(Rerun::kExclusive);
  EXPECT_THAT(script_.Hello("x", 1), Contains("prepare y b/a#2 input=ctx"));
}

TEST_F(CoreRerunExclusive, ALeaseIsAsLongAsTheGrantSaid) {
  Begin(Rerun::kExclusive);
  script_.Apply(ControllerStarted{2, absl::Seconds(20), absl::ZeroDuration()});
  script_.Hello("x", 1, {"b/a#1=running"});
  script_.Hello("y", 1);
  script_.Disconnect("x");
  script_.Lose("x");
  EXPECT_THAT(script_.Pass(absl::Seconds(134)), IsEmpty()) << "the agent still has the longer one";
  EXPECT_THAT(script_.Pass(absl::Seconds(1)), Contains("prepare y b/a#2 input=ctx"));
  EXPECT_THAT(script_.Prepared("y", "b/a#2"), ElementsAre("grant y b/a#2 input=ctx 10m lease=20s"));
}

TEST_F(CoreRerunExclusive, TheWaitStartsInFullWhenTheControllerWasAway) {
  Begin(Rerun::kExclusive);
  script_.Disconnect("x");
  script_.Lose("x", absl::Seconds(30));
  script_.Wait(absl::Minutes(1));
  script_.Start(2);
  script_.Hello("y", 1);
  EXPECT_THAT(script_.Pass(absl::Seconds(134)), IsEmpty());
  EXPECT_THAT(script_.Pass(absl::Seconds(1)), Contains("prepare y b/a#2 input=ctx"));
}

TEST_F(CoreRerunExclusive, ItIsTriedAsOftenAsAnyOther) {
  Begin(Rerun::kExclusive);
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const std::string agent = a().agent;
    const std::string name = "b/a#" + std::to_string(attempt);
    script_.Prepared(agent, name);
    script_.Started(agent, name);
    script_.Ended(agent, name, EndKind::kErrored, "the host has trouble", true);
  }
  EXPECT_THAT(State(), HasSubstr("it was tried 3 times and is given up"));
}

}  // namespace
}  // namespace rally::core
