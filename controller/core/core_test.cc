// A build's life as a script: what is told to the core, and what it wants done.
#include "controller/core/core.h"

#include <string>
#include <vector>

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
using ::testing::IsSupersetOf;
using ::testing::Not;

TEST(Core, AChainRunsStepByStepWithoutJoins) {
  Script script;
  EXPECT_THAT(script.Hello("x", 1), ElementsAre("welcome x"));
  EXPECT_THAT(script.Submit("b", {{"a"}, {"c", {"a"}}}),
              ElementsAre("prepare x b/a#1 input=ctx", "prepare x b/c#1"));
  EXPECT_EQ(script.State("b", "a"), "assigned: is being prepared on x");
  EXPECT_EQ(script.State("b", "c"), "waiting: being prepared on x, waits for a");
  EXPECT_THAT(script.Prepared("x", "b/a#1"), ElementsAre("grant x b/a#1 input=ctx 10m"));
  EXPECT_THAT(script.Started("x", "b/a#1"), IsEmpty());
  EXPECT_EQ(script.State("b", "a"), "running");
  EXPECT_THAT(script.Prepared("x", "b/c#1"), IsEmpty());
  EXPECT_EQ(script.State("b", "c"), "waiting: prepared on x, waits for a");
  EXPECT_THAT(script.Exited("x", "b/a#1", 0, "A"),
              ElementsAre("ack x b/a#1", "grant x b/c#1 input=A 10m"));
  EXPECT_THAT(script.Exited("x", "b/c#1", 0, "AC"), ElementsAre("ack x b/c#1", "ended b"));
  EXPECT_EQ(script.build("b").status, BuildStatus::kSucceeded);
  EXPECT_EQ(script.build("b").workspace.hash, "AC");
  EXPECT_EQ(script.core().NextDeadline(), absl::InfiniteFuture());
}

TEST(Core, TheSameKeyIsTheSameBuild) {
  Script script;
  script.Submit("b", {{"a"}});
  const std::string before = Fingerprint(script.core());
  BuildSubmitted again;
  again.build_id = "other";
  again.idempotency_key = "key-b";
  EXPECT_THAT(script.Apply(again), IsEmpty());
  EXPECT_EQ(Fingerprint(script.core()), before);
  EXPECT_EQ(script.core().FindSubmission("key-b")->id, "b");
  EXPECT_EQ(script.core().FindBuild("other"), nullptr);
}

TEST(Core, ABuildThatThePipelineParserWouldRefuseChangesNothing) {
  Core core;
  BuildSubmitted event;
  event.build_id = "b";
  event.steps.resize(2);
  event.steps[0].spec.id = "a";
  event.steps[0].dependencies = {1};
  event.steps[1].dependencies = {0};
  EXPECT_EQ(core.Apply(event, absl::UnixEpoch()).status().code(),
            absl::StatusCode::kFailedPrecondition);
  event.steps[1].dependencies = {7};
  const absl::Status status = core.Apply(event, absl::UnixEpoch()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("7"));
  EXPECT_TRUE(core.Builds().empty());
}

TEST(Core, AFailureSkipsWhatDependsOnItAndNothingElse) {
  Script script;
  script.Hello("x", 2);
  script.Submit("b", {{"a"}, {"after-a", {"a"}}, {"later", {"after-a"}}, {"free"}});
  EXPECT_THAT(script.Run("x", "b/a#1", 3, "A"), Contains("cancel x b/after-a#1 discard"));
  EXPECT_EQ(script.State("b", "a"), "failed: exit code 3");
  EXPECT_EQ(script.State("b", "after-a"), "skipped: skipped: a failed with exit code 3");
  EXPECT_EQ(script.State("b", "later"), "skipped: skipped: a failed with exit code 3");
  script.Run("x", "b/free#1", 0);
  EXPECT_EQ(script.build("b").status, BuildStatus::kFailed);
  // A failed step's files are kept.
  EXPECT_EQ(script.build("b").workspace.hash, "A");
  EXPECT_EQ(script.core().Agents().at("x").busy_slots, 0);
  EXPECT_EQ(script.core().Agents().at("x").early_prepared, 0);
}

struct EndCase {
  EndKind kind;
  int exit_code;
  StepStatus status;
  int seen_code;
};

TEST(Core, CodesThatDependentsSee) {
  const EndCase cases[] = {
      {EndKind::kExited, 0, StepStatus::kSucceeded, 0},
      {EndKind::kExited, 137, StepStatus::kFailed, 137},
      {EndKind::kExited, 124, StepStatus::kFailed, 124},
      {EndKind::kTimedOut, 0, StepStatus::kTimedOut, 124},
      {EndKind::kErrored, 0, StepStatus::kErrored, 125},
  };
  for (const EndCase& end : cases) {
    Script script;
    script.Hello("x", 1);
    script.Submit("b", {{"a"}});
    script.Prepared("x", "b/a#1");
    AttemptEnded result;
    result.agent = "x";
    result.key = {"b", 0, 1};
    result.kind = end.kind;
    result.exit_code = end.exit_code;
    result.output = {"A", 1};
    script.Apply(result);
    EXPECT_EQ(script.step("b", "a").status, end.status);
    EXPECT_EQ(script.step("b", "a").exit_code, end.seen_code);
    // What Rally could not run has written nothing.
    EXPECT_EQ(script.step("b", "a").output.hash, end.kind == EndKind::kErrored ? "" : "A");
  }
}

TEST(Core, UnorderedStepsAreJoinedAndConflictsAreWarnings) {
  Script script;
  script.Hello("x", 2);
  script.Submit("b", {{"a"}, {"c"}, {"d", {"a", "c"}}, {"e", {"a", "c"}}});
  script.Run("x", "b/a#1", 0, "A");
  EXPECT_THAT(script.Run("x", "b/c#1", 0, "C"),
              Contains("join b/d base=ctx a:ctx>A c:ctx>C").Times(1));
  EXPECT_EQ(script.State("b", "d"), "assigned: is being prepared on x");
  script.Prepared("x", "b/d#1");
  EXPECT_EQ(script.State("b", "d"),
            "assigned: prepared on x, waits for its input to be put together");
  // Both steps see the same tree: it is joined once.
  EXPECT_THAT(
      script.Joined("b", 2, "AC",
                    {{"a", "c", "out/f"}, {"a", "c", "out/g", Deed::kRemoved, Deed::kWroteFile}}),
      ElementsAre("grant x b/d#1 input=AC 10m"));
  EXPECT_THAT(script.Prepared("x", "b/e#1"), ElementsAre("grant x b/e#1 input=AC 10m"));
  EXPECT_THAT(
      script.build("b").warnings,
      ElementsAre("steps \"a\" and \"c\" both wrote out/f; \"c\" won (it is later in the "
                  "order)",
                  "steps \"a\" and \"c\" disagree about out/g (\"a\" removed it, \"c\" wrote "
                  "it); \"c\" won (it is later in the order)"));
  script.Exited("x", "b/d#1", 0);
  // Two that wrote nothing show what they saw.
  EXPECT_THAT(script.Exited("x", "b/e#1", 0), ElementsAre("ack x b/e#1", "ended b"));
  EXPECT_EQ(script.build("b").workspace.hash, "AC");
}

TEST(Core, AJoinStartsAtTheStepThatAllPathsComeThrough) {
  Script script;
  script.Hello("x", 4);
  script.Submit("b", {{"a"}, {"l", {"a"}}, {"l2", {"l"}}, {"r", {"a"}}, {"j", {"l2", "r"}}});
  script.Run("x", "b/a#1", 0, "A");
  script.Run("x", "b/l#1", 0, "AL");
  script.Run("x", "b/l2#1", 0, "ALM");
  EXPECT_THAT(script.Run("x", "b/r#1", 0, "AR"),
              Contains("join b/j base=A l:A>AL l2:AL>ALM{l} r:A>AR"));
}

TEST(Core, AJoinStartsAtTheLayerThatTheNextOneDependsOnAsAWhole) {
  Script script;
  script.Hello("x", 4);
  script.Submit("b", {{"a"},
                      {"c"},
                      {"d", {"a", "c"}},
                      {"e", {"a", "c"}},
                      {"f", {"d", "e"}},
                      {"g", {"a", "d", "e"}}});
  script.Run("x", "b/a#1", 0, "A");
  script.Run("x", "b/c#1", 0, "C");
  script.Joined("b", 2, "AC");
  script.Run("x", "b/d#1", 0, "ACD");
  EXPECT_THAT(
      script.Run("x", "b/e#1", 0, "ACE"),
      IsSupersetOf({"join b/f base=AC d:AC>ACD e:AC>ACE", "join b/g base=AC d:AC>ACD e:AC>ACE"}));
}

TEST(Core, AnAncestorThatHoldsAllOthersNeedsNoJoin) {
  Script script;
  script.Hello("x", 4);
  script.Submit("b", {{"a"}, {"c", {"a"}}, {"quiet", {"a"}}, {"d", {"a", "c", "quiet"}}});
  script.Run("x", "b/a#1", 0, "A");
  script.Run("x", "b/c#1", 0, "AC");
  script.Run("x", "b/quiet#1", 0, "A");
  EXPECT_EQ(script.step("b", "quiet").output.hash, "") << "as the input: no delta";
  EXPECT_THAT(script.Prepared("x", "b/d#1"), ElementsAre("grant x b/d#1 input=AC 10m"));
}

TEST(Core, AJoinThatFailsErrsTheStepsThatNeedIt) {
  Script script;
  script.Hello("x", 2);
  script.Submit("b", {{"a"}, {"c"}, {"d", {"a", "c"}}});
  script.Run("x", "b/a#1", 0, "A");
  script.Run("x", "b/c#1", 0, "C");
  const std::vector<std::string> lines = script.Joined("b", 2, "", {}, "blob 12 is missing");
  EXPECT_THAT(lines, Contains("cancel x b/d#1 discard"));
  EXPECT_EQ(script.State("b", "d"),
            "errored: its input could not be put together: blob 12 is missing");
  EXPECT_EQ(script.step("b", "d").exit_code, 125);
  // The final workspace is asked for on its own.
  EXPECT_THAT(lines, Contains("join b/workspace base=ctx a:ctx>A c:ctx>C"));
  EXPECT_THAT(script.Joined("b", -1, "AC"), ElementsAre("ended b"));
  EXPECT_EQ(script.build("b").status, BuildStatus::kFailed);
}

TEST(Core, ABuildWithoutItsFinalWorkspaceHasNotSucceeded) {
  Script script;
  script.Hello("x", 2);
  script.Submit("b", {{"a"}, {"c"}});
  script.Run("x", "b/a#1", 0, "A");
  script.Run("x", "b/c#1", 0, "C");
  EXPECT_FALSE(IsTerminal(script.build("b").status));
  EXPECT_THAT(script.Joined("b", -1, "", {}, "disk full"), ElementsAre("ended b"));
  EXPECT_EQ(script.build("b").status, BuildStatus::kFailed);
  EXPECT_THAT(script.build("b").reason, HasSubstr("disk full"));
}

TEST(Core, CancelStopsWhatRunsAndStartsNothing) {
  Script script;
  script.Hello("x", 2);
  script.Submit("b", {{"runs"}, {"prepares"}, {"queued"}, {"later", {"runs"}}});
  script.Prepared("x", "b/runs#1");
  script.Started("x", "b/runs#1");
  EXPECT_THAT(script.Cancel("b"),
              ElementsAre("cancel x b/runs#1", "cancel x b/prepares#1 discard"));
  EXPECT_EQ(script.build("b").status, BuildStatus::kCancelling);
  EXPECT_EQ(script.State("b", "runs"), "running: is being stopped on x");
  EXPECT_EQ(script.State("b", "queued"), "cancelled: cancelled by a person");
  EXPECT_THAT(script.Cancel("b"), IsEmpty());
  // The result lost the race against the cancel.
  EXPECT_THAT(script.Exited("x", "b/runs#1", 0, "A"), ElementsAre("ack x b/runs#1", "ended b"));
  EXPECT_EQ(script.State("b", "runs"), "cancelled: cancelled by a person");
  EXPECT_EQ(script.build("b").status, BuildStatus::kCancelled);
  EXPECT_EQ(script.build("b").workspace.hash, "ctx");
}

TEST(Core, AResultBeforeTheCancelStays) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {{"a"}, {"c"}});
  script.Run("x", "b/a#1", 0, "A");
  script.Cancel("b");
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kSucceeded);
  EXPECT_EQ(script.step("b", "c").status, StepStatus::kCancelled);
  EXPECT_EQ(script.build("b").status, BuildStatus::kCancelled);
}

TEST(Core, AnAgentLostWhileItStopsAStepEndsTheWait) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {{"a"}});
  script.Prepared("x", "b/a#1");
  script.Cancel("b");
  EXPECT_THAT(script.Lose("x"), Contains("ended b"));
  EXPECT_THAT(script.State("b", "a"), HasSubstr("agent x was lost meanwhile"));
}

TEST(Core, TheStepClockRunsFromAssignmentAndTheGrantCarriesTheRest) {
  Script script;
  script.Submit("b", {{"a", {}, "img@sha256:0", absl::Minutes(5)}});
  EXPECT_THAT(script.Pass(absl::Hours(2)), IsEmpty()) << "waiting for a slot isn't counted";
  EXPECT_EQ(script.State("b", "a"), "ready: no agent is connected");
  script.Hello("x", 1);
  script.Wait(absl::Minutes(2));
  EXPECT_THAT(script.Prepared("x", "b/a#1"), ElementsAre("grant x b/a#1 input=ctx 3m"));
}

TEST(Core, APreparationThatTakesTooLongTimesOut) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {{"a", {}, "img@sha256:0", absl::Minutes(5)}});
  EXPECT_THAT(script.Pass(absl::Minutes(6)), ElementsAre("cancel x b/a#1 discard", "ended b"));
  EXPECT_EQ(script.step("b", "a").exit_code, 124);
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kTimedOut);
  EXPECT_THAT(script.State("b", "a"), HasSubstr("while it was being prepared on agent x"));
}

TEST(Core, TheTotalTimeoutStopsTheBuild) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {{"a"}, {"c", {"a"}}}, absl::Minutes(4));
  EXPECT_THAT(script.Prepared("x", "b/a#1"), ElementsAre("grant x b/a#1 input=ctx 4m"));
  EXPECT_THAT(script.Pass(absl::Minutes(4)),
              ElementsAre("cancel x b/a#1", "cancel x b/c#1 discard"));
  EXPECT_TRUE(script.step("b", "a").cancelled_for_timeout);
  EXPECT_THAT(script.Ended("x", "b/a#1", EndKind::kTimedOut),
              ElementsAre("ack x b/a#1", "ended b"));
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kCancelled);
  EXPECT_EQ(script.build("b").status, BuildStatus::kTimedOut);
  EXPECT_THAT(script.build("b").reason, HasSubstr("total timeout of 4m"));
}

TEST(Core, ATimeoutOfTheAgentThatCameFromTheTotalClockIsTheTotals) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {{"a"}, {"c", {"a"}}}, absl::Minutes(4));
  script.Prepared("x", "b/a#1");
  // The agent's clock is a little faster than ours.
  EXPECT_THAT(script.Ended("x", "b/a#1", EndKind::kTimedOut),
              ElementsAre("ack x b/a#1", "cancel x b/c#1 discard", "ended b"));
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kCancelled);
  EXPECT_EQ(script.build("b").status, BuildStatus::kTimedOut);
}

TEST(Core, AnAgentThatNeverAnswersIsNotWaitedForForever) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {{"a", {}, "img@sha256:0", absl::Minutes(5)}});
  script.Prepared("x", "b/a#1");
  script.Started("x", "b/a#1");
  EXPECT_THAT(script.Pass(absl::Minutes(15)), IsEmpty());
  EXPECT_THAT(script.Pass(absl::Minutes(2)), ElementsAre("cancel x b/a#1 discard", "ended b"));
  EXPECT_EQ(script.step("b", "a").exit_code, 125);
}

TEST(Core, LateAndForeignReportsAreAcknowledgedAndChangeNothing) {
  Script script;
  script.Hello("x", 1);
  script.Hello("y", 1);
  script.Submit("b", {{"a"}});
  script.Prepared("x", "b/a#1");
  const std::string before = Fingerprint(script.core());
  EXPECT_THAT(script.Exited("y", "b/a#1", 0), ElementsAre("ack y b/a#1"));
  EXPECT_THAT(script.Exited("x", "b/a#2", 0), ElementsAre("ack x b/a#2"));
  EXPECT_THAT(script.Exited("x", "nobody/0#1", 0), ElementsAre("ack x nobody/0#1"));
  EXPECT_THAT(script.Started("y", "b/a#1"), IsEmpty());
  EXPECT_THAT(script.Apply(TreeJoined{"b", 0, {"T", 1}, {}, ""}), IsEmpty());
  EXPECT_EQ(Fingerprint(script.core()), before);
  script.Exited("x", "b/a#1", 0, "A");
  EXPECT_THAT(script.Exited("x", "b/a#1", 7, "Z"), ElementsAre("ack x b/a#1"));
  EXPECT_EQ(script.step("b", "a").exit_code, 0);
  EXPECT_EQ(script.step("b", "a").output.hash, "A");
}

TEST(Core, AReplayGivesTheSameState) {
  Script script;
  script.Start(1);
  script.Hello("x", 2);
  script.Submit("b", {{"a"}, {"c"}, {"d", {"a", "c"}}});
  script.Run("x", "b/a#1", 0, "A");
  script.Run("x", "b/c#1", 1, "C");
  script.Pass(absl::Hours(2));
  script.Start(2);
  EXPECT_EQ(Fingerprint(*script.Replay()), Fingerprint(script.core()));
  EXPECT_THAT(Fingerprint(script.core()), AllOf(HasSubstr("step d"), Not(HasSubstr("step q"))));
}

}  // namespace
}  // namespace rally::core
