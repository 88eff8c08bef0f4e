// Agents that come back, get lost, are drained; a controller that restarts.
#include <string>
#include <vector>

#include "controller/core/core.h"
#include "controller/core/core_script.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::core {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// One agent with one build of one step, brought to where a test starts.
Script Assigned() {
  Script script;
  script.Start(1);
  script.Hello("x", 1);
  script.Submit("b", {{"a"}});
  return script;
}

Script Granted() {
  Script script = Assigned();
  script.Prepared("x", "b/a#1");
  return script;
}

Script Running() {
  Script script = Granted();
  script.Started("x", "b/a#1");
  return script;
}

TEST(CoreSessions, AnAttemptThatNeverArrivedIsSentAgain) {
  Script script = Assigned();
  script.Disconnect("x");
  EXPECT_THAT(script.Hello("x", 1), ElementsAre("welcome x", "prepare x b/a#1 input=ctx"));
}

TEST(CoreSessions, PreparingGoesOn) {
  Script script = Assigned();
  script.Disconnect("x");
  EXPECT_THAT(script.Hello("x", 1, {"b/a#1=preparing"}), ElementsAre("welcome x b/a#1=keep"));
}

TEST(CoreSessions, APreparedThatWasLostIsAskedForAgain) {
  Script script = Assigned();
  script.Disconnect("x");
  EXPECT_THAT(script.Hello("x", 1, {"b/a#1=prepared"}),
              ElementsAre("welcome x b/a#1=keep", "prepare x b/a#1 input=ctx"));
}

TEST(CoreSessions, AGrantWaitsForTheSession) {
  Script script = Assigned();
  script.Disconnect("x");
  EXPECT_THAT(script.Prepared("x", "b/a#1"), IsEmpty());
  EXPECT_FALSE(script.step("b", "a").granted);
  EXPECT_THAT(script.Hello("x", 1, {"b/a#1=prepared"}),
              ElementsAre("welcome x b/a#1=keep", "grant x b/a#1 input=ctx 10m"));
}

TEST(CoreSessions, AGrantThatWasLostIsSentAgain) {
  Script script = Granted();
  script.Disconnect("x");
  EXPECT_THAT(script.Hello("x", 1, {"b/a#1=prepared"}),
              ElementsAre("welcome x b/a#1=keep", "grant x b/a#1 input=ctx 10m"));
  script.Disconnect("x");
  EXPECT_THAT(script.Hello("x", 1, {"b/a#1=preparing"}),
              ElementsAre("welcome x b/a#1=keep", "prepare x b/a#1 input=ctx"));
  EXPECT_THAT(script.Prepared("x", "b/a#1"), ElementsAre("grant x b/a#1 input=ctx 10m"));
}

TEST(CoreSessions, AGrantedAttemptUnknownToTheSameDiskNeverStarted) {
  Script script = Granted();
  script.Disconnect("x");
  EXPECT_THAT(script.Hello("x", 1), ElementsAre("welcome x", "prepare x b/a#1 input=ctx"));
  EXPECT_EQ(script.step("b", "a").infrastructure_failures, 0);
  EXPECT_THAT(script.Prepared("x", "b/a#1"), ElementsAre("grant x b/a#1 input=ctx 10m"));
}

TEST(CoreSessions, AnotherDiskHasLostIt) {
  Script script = Granted();
  script.Disconnect("x");
  EXPECT_THAT(script.Hello("x", 1, {}, "new disk"),
              ElementsAre("welcome x", "prepare x b/a#2 input=ctx"));
  EXPECT_EQ(script.step("b", "a").infrastructure_failures, 1);
  EXPECT_THAT(script.step("b", "a").warnings, ElementsAre(HasSubstr("another data directory")));
}

TEST(CoreSessions, RunningIsLearntFromTheReport) {
  Script script = Granted();
  script.Disconnect("x");
  EXPECT_THAT(script.Hello("x", 1, {"b/a#1=running"}), ElementsAre("welcome x b/a#1=keep"));
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kRunning);
}

TEST(CoreSessions, AResultIsAskedForAndForgottenOnceDurable) {
  Script script = Running();
  script.Disconnect("x");
  EXPECT_THAT(script.Hello("x", 1, {"b/a#1=ended"}), ElementsAre("welcome x b/a#1=resend"));
  script.Exited("x", "b/a#1", 0);
  EXPECT_THAT(script.Hello("x", 1, {"b/a#1=ended"}), ElementsAre("welcome x b/a#1=forget"));
}

TEST(CoreSessions, AResultThatWasNotAcceptedIsNotForgottenButDropped) {
  Script script = Assigned();
  script.Disconnect("x");
  script.Cancel("b");
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kCancelled);
  EXPECT_THAT(script.Hello("x", 1, {"b/a#1=ended"}), ElementsAre("welcome x b/a#1=kill"));
}

TEST(CoreSessions, AStepThatRunsWithoutAGrantIsEndedAndTriedAnew) {
  Script script = Assigned();
  script.Disconnect("x");
  EXPECT_THAT(script.Hello("x", 1, {"b/a#1=running"}),
              ElementsAre("welcome x b/a#1=kill", "prepare x b/a#2 input=ctx"));
  EXPECT_EQ(script.step("b", "a").infrastructure_failures, 1);
}

TEST(CoreSessions, AnAgentThatForgotARunningStepHasLostIt) {
  Script script = Running();
  script.Disconnect("x");
  EXPECT_THAT(script.Hello("x", 1), ElementsAre("welcome x", "prepare x b/a#2 input=ctx"));
  EXPECT_THAT(script.step("b", "a").warnings,
              ElementsAre("attempt 1: agent x came back without it"));
}

TEST(CoreSessions, UnknownAttemptsAreKilled) {
  Script script = Running();
  EXPECT_THAT(script.Hello("y", 1, {"b/a#1=running", "b/a#7=prepared", "other/0#1=ended"}),
              ElementsAre("welcome y b/a#1=kill b/a#7=kill other/0#1=kill"));
}

TEST(CoreSessions, ALostAgentsStepGoesElsewhereAndTheZombieIsKilled) {
  Script script = Running();
  script.Hello("y", 1);
  script.Disconnect("x");
  EXPECT_THAT(script.Lose("x"), ElementsAre("prepare y b/a#2 input=ctx"));
  EXPECT_EQ(script.core().Agents().at("x").busy_slots, 0);
  // It comes back, with a result even.
  EXPECT_THAT(script.Exited("x", "b/a#1", 0, "Z"), ElementsAre("ack x b/a#1"));
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kAssigned);
  EXPECT_THAT(script.Hello("x", 1, {"b/a#1=running"}), ElementsAre("welcome x b/a#1=kill"));
}

TEST(CoreSessions, LossBeforeTheGrantIsFree) {
  Script script = Assigned();
  script.Hello("y", 1);
  EXPECT_THAT(script.Lose("x"), ElementsAre("cancel x b/a#1 discard", "prepare y b/a#2 input=ctx"));
  EXPECT_EQ(script.step("b", "a").infrastructure_failures, 0);
}

TEST(CoreSessions, AttemptsAreUsedUp) {
  Script script = Running();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_EQ(script.step("b", "a").attempt, attempt);
    const std::string name = "b/a#" + std::to_string(attempt);
    script.Prepared("x", name);
    script.Lose("x");
    script.Hello("x", 1);
  }
  EXPECT_EQ(script.step("b", "a").exit_code, 125);
  EXPECT_EQ(script.State("b", "a"),
            "errored: agent x was lost while it had the step; it was tried 3 times and is given "
            "up");
  EXPECT_EQ(script.build("b").status, BuildStatus::kFailed);
}

TEST(CoreSessions, ASilentAgentGetsNoNewWork) {
  Script script = Running();
  script.Apply(AgentLivenessChanged{"x", Liveness::kSuspect, true});
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kRunning);
  script.Exited("x", "b/a#1", 0);
  EXPECT_THAT(script.Submit("c", {{"a"}}), IsEmpty());
  EXPECT_THAT(script.State("c", "a"), HasSubstr("1 silent"));
  EXPECT_THAT(script.Apply(AgentLivenessChanged{"x", Liveness::kAlive, true}),
              ElementsAre("prepare x c/a#1 input=ctx"));
  // Its disk has filled up.
  script.Run("x", "c/a#1", 0);
  script.Apply(AgentLivenessChanged{"x", Liveness::kAlive, false});
  EXPECT_THAT(script.Submit("d", {{"a"}}), IsEmpty());
  EXPECT_THAT(script.State("d", "a"), HasSubstr("1 without free disk space"));
}

TEST(CoreSessions, AnOlderSessionIsIgnored) {
  Script script = Running();
  AgentConnected old;
  old.agent = "x";
  old.session = 1;
  EXPECT_THAT(script.Apply(old), IsEmpty());
  EXPECT_THAT(script.Apply(AgentDisconnected{"x", 0}), IsEmpty());
  EXPECT_NE(script.core().Agents().at("x").session, 0);
}

TEST(CoreSessions, DrainLetsRunningWorkFinish) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {{"a"}, {"c", {"a"}}});
  script.Prepared("x", "b/a#1");
  EXPECT_THAT(script.Drain("x"), ElementsAre("cancel x b/c#1 discard"));
  EXPECT_EQ(script.State("b", "c"), "waiting: waits for a");
  EXPECT_THAT(script.Exited("x", "b/a#1", 0), ElementsAre("ack x b/a#1"));
  EXPECT_EQ(script.State("b", "c"), "ready: the only agent is draining");
  EXPECT_THAT(script.Drain("x", false), ElementsAre("prepare x b/c#2 input=ctx"));
}

TEST(CoreSessions, ARestartDisturbsNothingAndWaitsForTheFleet) {
  Script script;
  script.Start(1);
  for (const char* agent : {"v", "w", "x", "y", "z"}) script.Hello(agent, 1);
  script.Submit("b", {{"a"}});
  script.Prepared("v", "b/a#1");
  script.Started("v", "b/a#1");
  script.Wait(absl::Hours(3));
  EXPECT_THAT(script.Start(2), IsEmpty());
  EXPECT_EQ(script.core().epoch(), 2);
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kRunning);
  EXPECT_THAT(script.Submit("c", {{"a"}}), IsEmpty());
  EXPECT_THAT(script.Hello("v", 1, {"b/a#1=running"}), ElementsAre("welcome v b/a#1=keep"));
  EXPECT_THAT(script.Hello("w", 1), ElementsAre("welcome w"));
  EXPECT_EQ(script.State("c", "a"),
            "ready: waits for the agents to come back after the controller's restart (2 of 5 "
            "are)");
  EXPECT_THAT(script.Hello("x", 1), ElementsAre("welcome x"));
  // Four of five are enough.
  EXPECT_THAT(script.Hello("y", 1), ElementsAre("welcome y", "prepare w c/a#1 input=ctx"));
}

TEST(CoreSessions, ARestartSettlesInTwoSeconds) {
  Script script;
  script.Start(1);
  script.Hello("x", 1);
  script.Hello("y", 1);
  script.Start(2);
  script.Submit("b", {{"a"}});
  EXPECT_THAT(script.Hello("x", 1), ElementsAre("welcome x"));
  EXPECT_THAT(script.Pass(absl::Seconds(1)), IsEmpty());
  EXPECT_THAT(script.Pass(absl::Seconds(1)), ElementsAre("prepare x b/a#1 input=ctx"));
}

TEST(CoreSessions, AFreshControllerWaitsForNobody) {
  Script script;
  script.Start(1);
  script.Submit("b", {{"a"}});
  EXPECT_THAT(script.Hello("x", 1), ElementsAre("welcome x", "prepare x b/a#1 input=ctx"));
}

TEST(CoreSessions, JoinsAreAskedForAgainAfterARestart) {
  Script script;
  script.Hello("x", 2);
  script.Submit("b", {{"a"}, {"c"}, {"d", {"a", "c"}}});
  script.Run("x", "b/a#1", 0, "A");
  script.Run("x", "b/c#1", 0, "C");
  EXPECT_THAT(script.Start(2), ElementsAre("join b/d base=ctx a:ctx>A c:ctx>C"));
  script.Hello("x", 2, {"b/d#1=prepared"});
  script.Prepared("x", "b/d#1");
  EXPECT_THAT(script.Joined("b", 2, "AC"), Contains("grant x b/d#1 input=AC 10m"));
}

TEST(CoreSessions, AnOutageDoesNotCountForAPreparation) {
  Script script = Assigned();
  script.Wait(absl::Minutes(9));
  script.Wait(absl::Minutes(30));
  script.Start(2);
  EXPECT_THAT(script.Pass(absl::Seconds(3)), IsEmpty());
  EXPECT_THAT(script.Hello("x", 1, {"b/a#1=prepared"}),
              ElementsAre("welcome x b/a#1=keep", "prepare x b/a#1 input=ctx"));
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kAssigned);
}

TEST(CoreSessions, AStopIsRepeatedOnTheNextSession) {
  Script script = Running();
  script.Disconnect("x");
  EXPECT_THAT(script.Cancel("b"), IsEmpty());
  EXPECT_THAT(script.Hello("x", 1, {"b/a#1=running"}),
              ElementsAre("welcome x b/a#1=keep", "cancel x b/a#1"));
  EXPECT_THAT(script.Ended("x", "b/a#1", EndKind::kCancelled),
              ElementsAre("ack x b/a#1", "ended b"));
}

}  // namespace
}  // namespace rally::core
