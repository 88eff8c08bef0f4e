// What becomes of a step whose input has lost blobs: RELIABILITY P16.
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

ScriptStep Step(std::string id, std::vector<std::string> after = {}, Rerun rerun = Rerun::kSafe) {
  ScriptStep step{std::move(id), std::move(after)};
  step.rerun = rerun;
  return step;
}

// Agents x and y; step a ran on x and made the tree A, b comes after it.
class CoreLostInput : public ::testing::Test {
 protected:
  void Begin(Rerun rerun = Rerun::kSafe, ScriptPolicy policy = {}) {
    script_.Start(1);
    script_.Hello("x", 1);
    script_.Submit("b", {Step("a", {}, rerun), Step("b", {"a"})}, absl::Hours(1), {}, policy);
    script_.Run("x", "b/a#1", 0, "A");
    script_.Prepared("x", "b/b#1");
    script_.Hello("y", 1);
  }
  // Nobody has f.
  std::vector<std::string> AnswerWithNothing() {
    script_.Uploaded("x", "b/b#1", {});
    return script_.Uploaded("y", "b/b#1", {});
  }
  ~CoreLostInput() override {
    EXPECT_EQ(Fingerprint(*script_.Replay()), Fingerprint(script_.core()));
  }

  std::string State(const std::string& step) { return script_.State("b", step); }

  Script script_;
};

TEST_F(CoreLostInput, AgentsAreAskedAndTheStepGoesOn) {
  Begin();
  EXPECT_THAT(script_.Missing("x", "b/b#1", {"f", "g"}),
              ElementsAre("ack x b/b#1", "upload x b/b#1 f g", "upload y b/b#1 f g"));
  EXPECT_THAT(State("b"), AllOf(HasSubstr("has lost f/1 and 1 more of its input"),
                                HasSubstr("asks for it: x, y")));
  EXPECT_THAT(script_.Uploaded("x", "b/b#1", {"g"}), IsEmpty());
  EXPECT_THAT(State("b"), HasSubstr("has lost f/1 of its input; asks for it: y"));
  EXPECT_THAT(script_.Uploaded("y", "b/b#1", {"f"}), ElementsAre("prepare x b/b#2 input=A"));
  EXPECT_EQ(script_.step("b", "b").infrastructure_failures, 0);
  EXPECT_THAT(script_.step("b", "b").warnings, Contains(HasSubstr("agent x sent them again")));
  EXPECT_EQ(script_.step("b", "a").attempt, 1);
}

TEST_F(CoreLostInput, AllAreBackBeforeAllHaveAnswered) {
  Begin();
  script_.Missing("x", "b/b#1", {"f"});
  EXPECT_THAT(script_.Uploaded("y", "b/b#1", {"f"}), ElementsAre("prepare x b/b#2 input=A"));
  EXPECT_THAT(script_.Uploaded("x", "b/b#1", {"f"}), IsEmpty()) << "too late";
}

TEST_F(CoreLostInput, AnAgentThatIsAwayIsAskedWhenItIsBack) {
  Begin();
  script_.Disconnect("y");
  EXPECT_THAT(script_.Missing("x", "b/b#1", {"f"}), ElementsAre("ack x b/b#1", "upload x b/b#1 f"));
  EXPECT_THAT(script_.Uploaded("x", "b/b#1", {}), IsEmpty());
  EXPECT_THAT(script_.Hello("y", 1), ElementsAre("welcome y", "upload y b/b#1 f"));
}

TEST_F(CoreLostInput, OfALargeFleetThoseAreAskedThatHadATree) {
  script_.Start(1);
  for (int i = 0; i < 100; ++i) script_.Hello("m" + std::to_string(100 + i), 1);
  script_.Hello("z", 1, {}, "disk", {{"last", ""}});
  script_.Submit("b", {Step("a"), Step("b", {"a"})}, absl::Hours(1), {{"last", ""}});
  script_.Run("z", "b/a#1", 0, "A");
  script_.Prepared("z", "b/b#1");
  const std::vector<std::string> commands = script_.Missing("z", "b/b#1", {"f"});
  EXPECT_THAT(commands, Contains("upload z b/b#1 f"));
  EXPECT_EQ(commands.size(), 1u + 64u) << "and the acknowledgement";
  EXPECT_THAT(script_.Hello("newcomer", 1), ElementsAre("welcome newcomer"));
}

TEST_F(CoreLostInput, NobodyIsAwaitedForEver) {
  Begin();
  script_.Missing("x", "b/b#1", {"f"});
  EXPECT_THAT(script_.Lose("y"), IsEmpty());
  EXPECT_THAT(script_.Pass(absl::Minutes(6)), ElementsAre("trace b/b f in ctx a:ctx>A"));
}

TEST_F(CoreLostInput, ItIsTracedWhenTheLastAgentIsLost) {
  Begin();
  script_.Missing("x", "b/b#1", {"f"});
  script_.Uploaded("x", "b/b#1", {});
  EXPECT_THAT(script_.Lose("y"), ElementsAre("trace b/b f in ctx a:ctx>A"));
}

TEST_F(CoreLostInput, TheContextMustBeSubmittedAgain) {
  Begin();
  script_.Missing("x", "b/b#1", {"f"});
  EXPECT_THAT(AnswerWithNothing(), ElementsAre("trace b/b f in ctx a:ctx>A"));
  EXPECT_THAT(script_.Traced("b", "b", {}, {"f"}), ElementsAre("ended b"));
  EXPECT_THAT(State("b"), AllOf(HasSubstr("errored: blob f/1 of its input is lost"),
                                HasSubstr("belongs to the build's context: submit it again")));
  EXPECT_EQ(script_.step("b", "b").exit_code, 125);
}

TEST_F(CoreLostInput, WhatNobodyMadeIsAFailureToo) {
  Begin();
  script_.Missing("x", "b/b#1", {"f"});
  AnswerWithNothing();
  EXPECT_THAT(script_.Traced("b", "b", {}), ElementsAre("ended b"));
  EXPECT_THAT(State("b"), HasSubstr("no step is known to have made it"));
}

TEST_F(CoreLostInput, TheStepThatMadeItRunsAgain) {
  Begin();
  script_.Missing("x", "b/b#1", {"f"});
  AnswerWithNothing();
  EXPECT_THAT(script_.Traced("b", "b", {{"a", "f"}}), ElementsAre("prepare x b/a#2 input=ctx"));
  EXPECT_THAT(State("b"), HasSubstr("waits for it to be made again by a"));
  const core::Step& a = script_.step("b", "a");
  EXPECT_EQ(SettledStatus(a), StepStatus::kSucceeded) << "its status stays";
  EXPECT_EQ(a.exit_code, 0);
  EXPECT_EQ(SettledOutput(a).hash, "A");
  EXPECT_THAT(
      script_.Run("x", "b/a#2", 0, "A2"),
      ElementsAre("grant x b/a#2 input=ctx 10m", "ack x b/a#2", "prepare x b/b#2 input=A2"));
  EXPECT_EQ(State("a"), "succeeded");
  EXPECT_EQ(a.output.hash, "A2");
  EXPECT_EQ(a.reruns, 1);
  EXPECT_THAT(script_.build("b").warnings,
              ElementsAre(HasSubstr("step a runs again, since step b needs blob f/1")));
  EXPECT_THAT(script_.Run("x", "b/b#2", 0), Contains("ended b"));
  EXPECT_EQ(script_.build("b").status, BuildStatus::kSucceeded);
  EXPECT_EQ(script_.build("b").workspace.hash, "A2");
}

TEST_F(CoreLostInput, ItRunsAgainOnlyOnce) {
  Begin();
  script_.Missing("x", "b/b#1", {"f"});
  AnswerWithNothing();
  script_.Traced("b", "b", {{"a", "f"}});
  script_.Run("x", "b/a#2", 0, "A2");
  script_.Prepared("x", "b/b#2");
  script_.Missing("x", "b/b#2", {"g"});
  script_.Uploaded("x", "b/b#2", {});
  script_.Uploaded("y", "b/b#2", {});
  EXPECT_THAT(script_.Traced("b", "b", {{"a", "g"}}), ElementsAre("ended b"));
  EXPECT_THAT(State("b"), AllOf(HasSubstr("blob g/1 of its input is lost"),
                                HasSubstr("was run again for such a loss already")));
}

class CoreLostInputOfClass : public CoreLostInput, public ::testing::WithParamInterface<Rerun> {};

TEST_P(CoreLostInputOfClass, AStepThatMayNotRunAgainDoesNot) {
  Begin(GetParam());
  script_.Missing("x", "b/b#1", {"f"});
  AnswerWithNothing();
  EXPECT_THAT(script_.Traced("b", "b", {{"a", "f"}}), ElementsAre("ended b"));
  EXPECT_THAT(State("b"), AllOf(HasSubstr("blob f/1"), HasSubstr("step a, which made it"),
                                HasSubstr("isn't run again (rerun = ")));
  EXPECT_EQ(script_.step("b", "a").attempt, 1);
}

INSTANTIATE_TEST_SUITE_P(NotSafe, CoreLostInputOfClass,
                         ::testing::Values(Rerun::kNever, Rerun::kExclusive));

TEST_F(CoreLostInput, AnotherEndThanBeforeIsNoHelp) {
  Begin();
  script_.Missing("x", "b/b#1", {"f"});
  AnswerWithNothing();
  script_.Traced("b", "b", {{"a", "f"}});
  EXPECT_THAT(script_.Run("x", "b/a#2", 3, "other"), Contains("ended b"));
  EXPECT_EQ(State("a"), "succeeded") << "status and exit stay";
  EXPECT_EQ(script_.step("b", "a").exit_code, 0);
  EXPECT_EQ(script_.step("b", "a").output.hash, "A");
  EXPECT_THAT(State("b"), AllOf(HasSubstr("errored: blob f/1"),
                                HasSubstr("ended otherwise than before: failed (code 3) instead of "
                                          "succeeded (code 0)")));
}

TEST_F(CoreLostInput, CancellingEndsAllOfIt) {
  Begin();
  script_.Missing("x", "b/b#1", {"f"});
  AnswerWithNothing();
  script_.Traced("b", "b", {{"a", "f"}});
  script_.Prepared("x", "b/a#2");
  EXPECT_THAT(script_.Cancel("b"), ElementsAre("cancel x b/a#2"));
  EXPECT_THAT(State("b"), HasSubstr("cancelled"));
  EXPECT_THAT(script_.Ended("x", "b/a#2", EndKind::kCancelled), Contains("ended b"));
  EXPECT_EQ(State("a"), "succeeded");
  EXPECT_EQ(script_.build("b").status, BuildStatus::kCancelled);
}

TEST_F(CoreLostInput, FailFastEndsABuildWhoseInputIsLost) {
  ScriptPolicy policy;
  policy.fail_fast = true;
  Begin(Rerun::kSafe, policy);
  script_.Missing("x", "b/b#1", {"f"});
  AnswerWithNothing();
  script_.Traced("b", "b", {{"a", "f"}});
  EXPECT_THAT(script_.Run("x", "b/a#2", 3, "other"), Contains("ended b"));
  EXPECT_EQ(script_.build("b").status, BuildStatus::kFailed);
}

TEST_F(CoreLostInput, ARestartAsksAgain) {
  Begin();
  script_.Missing("x", "b/b#1", {"f"});
  script_.Start(2);
  EXPECT_THAT(script_.Hello("x", 1), ElementsAre("welcome x", "upload x b/b#1 f"));
  EXPECT_THAT(script_.Hello("y", 1), ElementsAre("welcome y", "upload y b/b#1 f"));
  AnswerWithNothing();
  EXPECT_THAT(script_.Start(3), ElementsAre("trace b/b f in ctx a:ctx>A"));
  script_.Hello("x", 1);
  script_.Traced("b", "b", {{"a", "f"}});
  EXPECT_EQ(script_.step("b", "a").reruns, 1);
}

TEST_F(CoreLostInput, WhatRanAlreadyKeepsItsInputAndOthersAreJoinedAnew) {
  // c and d ran on what a made at first; e comes after both.
  script_.Start(1);
  script_.Hello("x", 4);
  script_.Submit("b", {Step("a"), Step("c", {"a"}), Step("d", {"a"}), Step("e", {"c", "d"})});
  script_.Run("x", "b/a#1", 0, "A");
  script_.Run("x", "b/c#1", 0, "AC");
  EXPECT_THAT(script_.Run("x", "b/d#1", 0, "AD"), Contains("join b/e base=A c:A>AC d:A>AD"));
  script_.Prepared("x", "b/e#1");
  EXPECT_THAT(script_.Joined("b", 3, "ACD"), ElementsAre("grant x b/e#1 input=ACD 10m"));
  script_.Missing("x", "b/e#1", {"f"});
  EXPECT_THAT(script_.Uploaded("x", "b/e#1", {}),
              ElementsAre("trace b/e f in ctx a:ctx>A c:A>AC d:A>AD"));
  script_.Traced("b", "e", {{"a", "f"}});
  EXPECT_THAT(script_.Run("x", "b/a#2", 0, "A2"), Contains("join b/e base=A2 c:A>AC d:A>AD"))
      << "their deltas count, not the trees that hold the old output";
  EXPECT_EQ(script_.step("b", "c").input.hash, "A");
  EXPECT_TRUE(script_.step("b", "c").behind);
  script_.Prepared("x", "b/e#2");
  EXPECT_THAT(script_.Joined("b", 3, "A2CD"), ElementsAre("grant x b/e#2 input=A2CD 10m"));
  script_.Started("x", "b/e#2");
  EXPECT_THAT(script_.Exited("x", "b/e#2", 0), ElementsAre("ack x b/e#2", "ended b"));
  EXPECT_EQ(script_.build("b").workspace.hash, "A2CD");
}

TEST_F(CoreLostInput, ADeltaOnAnOldTreeIsJoinedAlone) {
  script_.Start(1);
  script_.Hello("x", 1);
  script_.Submit("b", {Step("a"), Step("c", {"a"}), Step("d", {"c"})});
  script_.Run("x", "b/a#1", 0, "A");
  script_.Run("x", "b/c#1", 0, "AC");
  script_.Prepared("x", "b/d#1");
  script_.Missing("x", "b/d#1", {"f"});
  script_.Uploaded("x", "b/d#1", {});
  script_.Traced("b", "d", {{"a", "f"}});
  EXPECT_THAT(script_.Run("x", "b/a#2", 0, "A2"), Contains("join b/d base=A2 c:A>AC"));
}

TEST_F(CoreLostInput, AJoinOfBeforeIsForgotten) {
  script_.Start(1);
  script_.Hello("x", 4);
  script_.Submit("b", {Step("a"), Step("c", {"a"}), Step("d", {"a"}), Step("e", {"c", "d"}),
                       Step("g", {"a"})});
  script_.Run("x", "b/a#1", 0, "A");
  script_.Prepared("x", "b/g#1");
  script_.Missing("x", "b/g#1", {"f"});
  script_.Uploaded("x", "b/g#1", {});
  script_.Traced("b", "g", {{"a", "f"}});
  script_.Run("x", "b/c#1", 0, "AC");
  EXPECT_THAT(script_.Run("x", "b/d#1", 0, "AD"), Contains("join b/e base=A c:A>AC d:A>AD"));
  EXPECT_THAT(script_.Run("x", "b/a#2", 0, "A2"), Contains("join b/e base=A2 c:A>AC d:A>AD"));
  TreeJoined old{"b", 3, {"ACD", 1}, {}, ""};
  EXPECT_THAT(script_.Apply(old), IsEmpty());
  EXPECT_TRUE(script_.step("b", "e").joining);
  script_.Joined("b", 3, "A2CD");
  EXPECT_EQ(script_.step("b", "e").input.hash, "A2CD");
}

TEST_F(CoreLostInput, AChainOfLossesRunsAChainOfSteps) {
  script_.Start(1);
  script_.Hello("x", 1);
  script_.Submit("b", {Step("a"), Step("c", {"a"}), Step("d", {"c"})});
  script_.Run("x", "b/a#1", 0, "A");
  script_.Run("x", "b/c#1", 0, "AC");
  script_.Prepared("x", "b/d#1");
  script_.Missing("x", "b/d#1", {"f"});
  script_.Uploaded("x", "b/d#1", {});
  script_.Traced("b", "d", {{"c", "f"}});
  // c can't be prepared either: what a made is lost as well.
  script_.Prepared("x", "b/c#2");
  EXPECT_THAT(script_.Missing("x", "b/c#2", {"g"}), ElementsAre("ack x b/c#2", "upload x b/c#2 g"));
  script_.Uploaded("x", "b/c#2", {});
  EXPECT_THAT(script_.Traced("b", "c", {{"a", "g"}}), ElementsAre("prepare x b/a#2 input=ctx"));
  EXPECT_THAT(script_.Run("x", "b/a#2", 0, "A2"), Contains("prepare x b/c#3 input=A2"));
  EXPECT_THAT(script_.Run("x", "b/c#3", 0, "A2C2"), Contains("prepare x b/d#2 input=A2C2"));
  script_.Run("x", "b/d#2", 0);
  EXPECT_EQ(script_.build("b").status, BuildStatus::kSucceeded);
  EXPECT_EQ(script_.build("b").workspace.hash, "A2C2");
}

TEST_F(CoreLostInput, DirectoriesThatAJoinLacksAreAskedFor) {
  script_.Start(1);
  script_.Hello("x", 4);
  script_.Submit("b", {Step("a"), Step("c"), Step("d", {"a", "c"})});
  script_.Run("x", "b/a#1", 0, "A");
  EXPECT_THAT(script_.Run("x", "b/c#1", 0, "C"), Contains("join b/d base=ctx a:ctx>A c:ctx>C"));
  script_.Prepared("x", "b/d#1");
  EXPECT_THAT(script_.Joined("b", 2, "", {}, "lost", {"f"}),
              ElementsAre("cancel x b/d#1 discard", "upload x b/d#1 f"));
  EXPECT_THAT(script_.Uploaded("x", "b/d#1", {"f"}),
              ElementsAre("join b/d base=ctx a:ctx>A c:ctx>C", "prepare x b/d#2"));
}

TEST_F(CoreLostInput, DirectoriesThatOnlyAJoinMadeAreJoinedAnew) {
  script_.Start(1);
  script_.Hello("x", 4);
  script_.Submit("b", {Step("a"), Step("c"), Step("d", {"a", "c"})});
  script_.Run("x", "b/a#1", 0, "A");
  script_.Run("x", "b/c#1", 0, "C");
  script_.Prepared("x", "b/d#1");
  script_.Joined("b", 2, "AC");
  script_.Missing("x", "b/d#1", {"f"});
  script_.Uploaded("x", "b/d#1", {});
  EXPECT_THAT(script_.Traced("b", "d", {}),
              ElementsAre("join b/d base=ctx a:ctx>A c:ctx>C", "prepare x b/d#2"));
}

TEST_F(CoreLostInput, AStoreThatLosesItAgainAndAgainIsGivenUp) {
  Begin();
  for (int attempt = 1; attempt <= 5; ++attempt) {
    const std::string key = "b/b#" + std::to_string(attempt);
    script_.Prepared("x", key);
    EXPECT_THAT(script_.Missing("x", key, {"f"}), Contains("upload x " + key + " f"));
    script_.Uploaded("x", key, {"f"});
  }
  script_.Prepared("x", "b/b#6");
  EXPECT_THAT(script_.Missing("x", "b/b#6", {"f"}), ElementsAre("ack x b/b#6", "ended b"));
  EXPECT_THAT(State("b"), AllOf(HasSubstr("blob f/1"), HasSubstr("wrong with the blob store")));
}

TEST_F(CoreLostInput, AStepThatRanAndMayNotRunAgainIsUnknown) {
  script_.Start(1);
  script_.Hello("x", 1);
  script_.Submit("b", {Step("a", {}, Rerun::kNever)});
  script_.Prepared("x", "b/a#1");
  script_.Started("x", "b/a#1");
  EXPECT_THAT(script_.Missing("x", "b/a#1", {"f"}, /*never_started=*/false), Contains("ended b"));
  EXPECT_THAT(State("a"), HasSubstr("its outcome is unknown"));
}

}  // namespace
}  // namespace rally::core
