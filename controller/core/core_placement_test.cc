// Which step goes where and when, and what is prepared ahead of its time.
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
using ::testing::Not;

TEST(CorePlacement, TheOrderWithinABuildAndTurnsBetweenBuilds) {
  Script script;
  script.Submit("b", {{"a"}, {"c"}, {"d"}});
  script.Submit("e", {{"f"}, {"g"}});
  EXPECT_THAT(script.Hello("x", 4),
              ElementsAre("welcome x", "prepare x b/a#1 input=ctx", "prepare x e/f#1 input=ctx",
                          "prepare x b/c#1 input=ctx", "prepare x e/g#1 input=ctx"));
  EXPECT_EQ(script.State("b", "d"), "ready: waits for a free slot (1 agent, 4 slots busy)");
  EXPECT_THAT(script.Run("x", "e/f#1", 0), Contains("prepare x b/d#1 input=ctx"));
}

TEST(CorePlacement, TheLeastLoadedThenTheFirstName) {
  Script script;
  script.Hello("y", 2);
  script.Hello("x", 4);
  EXPECT_THAT(script.Submit("b", {{"a"}, {"c"}, {"d"}, {"e"}}),
              ElementsAre("prepare x b/a#1 input=ctx", "prepare y b/c#1 input=ctx",
                          "prepare x b/d#1 input=ctx", "prepare x b/e#1 input=ctx"));
}

TEST(CorePlacement, WhereTheImageIsBeforeWhereTheTreeIs) {
  Script script;
  script.Hello("x", 4);
  script.Submit("b", {{"a", {}, "one@sha256:1"}});
  script.Prepared("x", "b/a#1", "sha256:1");
  script.Exited("x", "b/a#1", 0, "A");
  script.Hello("a-first", 4);
  EXPECT_THAT(script.Submit("c", {{"a", {}, "one@sha256:1"}, {"d", {}, "other@sha256:2"}}),
              ElementsAre("prepare x c/a#1 input=ctx", "prepare x c/d#1 input=ctx"))
      << "the image is on x, and so is the context";
  EXPECT_TRUE(script.core().Agents().at("x").images.count("sha256:1"));
  EXPECT_TRUE(script.core().Agents().at("x").trees.count("A"));
}

TEST(CorePlacement, OnlyAgentsWithAllLabelsOfTheBuild) {
  Script script;
  script.Hello("w", 4);
  script.Hello("x", 4, {}, "disk", {{"gpu", "no"}, {"zone", "1"}});
  EXPECT_THAT(script.Submit("b", {{"a"}}, absl::Hours(1), {{"gpu", "yes"}, {"zone", "1"}}),
              IsEmpty());
  EXPECT_EQ(script.State("b", "a"),
            "ready: waits for an agent with the labels gpu=yes, zone=1 (2 agents connected, none "
            "has them)");
  EXPECT_THAT(script.Submit("c", {{"a"}}), ElementsAre("prepare w c/a#1 input=ctx"))
      << "who wants no labels waits for nobody";
  script.Hello("y", 4, {}, "disk", {{"gpu", "yes"}});
  EXPECT_EQ(script.State("b", "a"),
            "ready: waits for an agent with the labels gpu=yes, zone=1 (3 agents connected, none "
            "has them)");
  EXPECT_THAT(script.Hello("z", 1, {}, "disk", {{"gpu", "yes"}, {"os", "linux"}, {"zone", "1"}}),
              ElementsAre("welcome z", "prepare z b/a#1 input=ctx"));
  script.Submit("d", {{"a"}}, absl::Hours(1), {{"zone", "1"}, {"os", "linux"}});
  EXPECT_EQ(script.State("d", "a"),
            "ready: waits for a free slot (1 agent with the labels os=linux, zone=1, 1 slot busy)");
  script.Drain("z");
  EXPECT_EQ(script.State("d", "a"),
            "ready: the only agent with the labels os=linux, zone=1 is draining");
  EXPECT_EQ(Fingerprint(*script.Replay()), Fingerprint(script.core()));
}

TEST(CorePlacement, ALabelledBuildGoesBackOnlyToAnAgentWithItsLabels) {
  Script script;
  script.Hello("a-first", 4);
  script.Hello("x", 1, {}, "disk", {{"gpu", "yes"}});
  script.Submit("b", {{"a"}}, absl::Hours(1), {{"gpu", "yes"}});
  EXPECT_THAT(script.Rejected("x", "b/a#1", RejectCause::kHere, "no space"),
              ElementsAre("prepare x b/a#2 input=ctx"))
      << "the only one of its kind, so it is tried there again";
}

TEST(CorePlacement, LabelsHoldForEarlyPreparationToo) {
  Script script;
  script.Hello("a-first", 4);
  script.Hello("x", 2, {}, "disk", {{"gpu", "yes"}});
  EXPECT_THAT(script.Submit("b", {{"a"}, {"c", {"a"}}}, absl::Hours(1), {{"gpu", "yes"}}),
              ElementsAre("prepare x b/a#1 input=ctx", "prepare x b/c#1"));
}

TEST(CorePlacement, WhoWaitsForLabelsKeepsNobodyElseFromPreparingEarly) {
  Script script;
  script.Hello("x", 2);
  script.Submit("b", {{"a"}}, absl::Hours(1), {{"gpu", "yes"}});
  EXPECT_THAT(script.Submit("c", {{"a"}, {"d", {"a"}}}),
              ElementsAre("prepare x c/a#1 input=ctx", "prepare x c/d#1"));
}

TEST(CorePlacement, AHostThatFailedIsAvoidedUnlessThereIsNoOther) {
  Script script;
  script.Hello("x", 2);
  script.Submit("b", {{"a"}});
  EXPECT_THAT(script.Rejected("x", "b/a#1", RejectCause::kHere, "no space"),
              ElementsAre("prepare x b/a#2 input=ctx"));
  script.Hello("y", 1);
  EXPECT_THAT(script.Rejected("x", "b/a#2", RejectCause::kHere, "no space"),
              ElementsAre("prepare y b/a#3 input=ctx"));
  EXPECT_THAT(script.Rejected("y", "b/a#3", RejectCause::kHere, "no space"),
              ElementsAre("ended b"));
  EXPECT_EQ(script.State("b", "a"),
            "errored: agent y could not prepare it: no space; it was tried 3 times and is given "
            "up");
}

TEST(CorePlacement, AStepThatWaitsForAnotherHostSaysWhichOneItAvoids) {
  Script script;
  script.Hello("x", 2);
  script.Hello("y", 1);
  script.Submit("a", {{"other"}, {"keeps-y"}});
  ASSERT_EQ(script.step("a", "keeps-y").agent, "y");
  script.Submit("b", {{"a"}});
  script.Rejected("x", "b/a#1", RejectCause::kHere, "no space");
  EXPECT_EQ(script.State("b", "a"),
            "ready: waits for a free slot (2 agents, 2 slots busy), not on x, where its last "
            "attempt failed");
  EXPECT_THAT(script.Drain("y"), Contains("prepare x b/a#2 input=ctx"))
      << "there is no other any more";
  EXPECT_EQ(Fingerprint(*script.Replay()), Fingerprint(script.core()));
}

TEST(CorePlacement, WhatWouldFailEverywhereIsNotTriedAgain) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {{"a"}});
  EXPECT_THAT(script.Rejected("x", "b/a#1", RejectCause::kPermanent, "no such image"),
              ElementsAre("ended b"));
  EXPECT_EQ(script.State("b", "a"), "errored: no such image");
}

TEST(CorePlacement, ABusyAgentRestsAndCostsNoAttempt) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {{"a"}});
  EXPECT_THAT(script.Rejected("x", "b/a#1", RejectCause::kBusy), IsEmpty());
  EXPECT_EQ(script.step("b", "a").infrastructure_failures, 0);
  EXPECT_THAT(script.Pass(absl::Seconds(1)), ElementsAre("prepare x b/a#2 input=ctx"));
  EXPECT_THAT(script.Rejected("x", "b/a#2", RejectCause::kBusy), IsEmpty());
  EXPECT_THAT(script.Pass(absl::Seconds(1)), IsEmpty()) << "longer each time";
  EXPECT_THAT(script.Pass(absl::Seconds(1)), ElementsAre("prepare x b/a#3 input=ctx"));
}

TEST(CorePlacement, ATagIsResolvedOnceForTheBuild) {
  Script script;
  script.Hello("x", 2);
  script.Hello("y", 2);
  EXPECT_THAT(script.Submit("b", {{"a", {}, "img:1"}, {"c", {}, "img:1"}, {"d", {}, "img:2"}}),
              ElementsAre("prepare x b/a#1 input=ctx", "prepare y b/d#1 input=ctx"));
  EXPECT_EQ(script.State("b", "c"),
            "ready: waits for the image tag img:1 to be resolved by step a");
  EXPECT_THAT(
      script.Prepared("x", "b/a#1", "sha256:1"),
      ElementsAre("grant x b/a#1 input=ctx 10m", "prepare x b/c#1 image=sha256:1 input=ctx"));
  EXPECT_EQ(script.build("b").image_digests.at("img:1"), "sha256:1");
}

TEST(CorePlacement, AnotherStepResolvesTheTagWhenTheFirstCould) {
  Script script;
  script.Hello("x", 2);
  script.Submit("b", {{"a", {}, "img:1"}, {"c", {}, "img:1"}});
  EXPECT_THAT(script.Rejected("x", "b/a#1", RejectCause::kPermanent, "denied"),
              ElementsAre("prepare x b/c#1 input=ctx"));
}

TEST(CorePlacement, ALayoutInTheWorkspaceWaitsForItsTree) {
  Script script;
  script.Hello("x", 4);
  script.Submit("b", {{"a"}, {"c"}, {"d", {"a", "c"}, "oci:out/img"}, {"e", {"a", "c"}}});
  script.Run("x", "b/a#1", 0, "A");
  const std::vector<std::string> lines = script.Run("x", "b/c#1", 0, "C");
  EXPECT_THAT(lines, Not(Contains("prepare x b/d#1")));
  EXPECT_EQ(script.State("b", "d"), "ready: waits for its input to be put together");
  EXPECT_EQ(script.State("b", "e"), "assigned: is being prepared on x");
  EXPECT_THAT(script.Joined("b", 2, "AC"), ElementsAre("prepare x b/d#1 input=AC"));
}

TEST(CorePlacement, AChainIsPreparedThreeAheadOnOneHost) {
  Script script;
  script.Hello("x", 4);
  script.Hello("y", 4);
  EXPECT_THAT(script.Submit("b", {{"a"}, {"c", {"a"}}, {"d", {"c"}}, {"e", {"d"}}, {"f", {"e"}}}),
              ElementsAre("prepare x b/a#1 input=ctx", "prepare x b/c#1", "prepare x b/d#1",
                          "prepare x b/e#1"));
  EXPECT_EQ(script.core().Agents().at("x").busy_slots, 1);
  EXPECT_EQ(script.core().Agents().at("x").early_prepared, 3);
  script.Prepared("x", "b/c#1");
  EXPECT_THAT(script.Run("x", "b/a#1", 0, "A"),
              ElementsAre("grant x b/a#1 input=ctx 10m", "ack x b/a#1", "grant x b/c#1 input=A 10m",
                          "prepare x b/f#1"));
}

TEST(CorePlacement, AnEarlyOneHoldsNoSlot) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {{"a"}, {"c", {"a"}}});
  script.Prepared("x", "b/c#1");
  script.Submit("e", {{"f"}});
  // Both wait for the one slot now, and it is the other build's turn.
  EXPECT_THAT(script.Run("x", "b/a#1", 0, "A"), Contains("prepare x e/f#1 input=ctx"));
  EXPECT_EQ(script.State("b", "c"),
            "ready: prepared on x, waits for a free slot (1 agent, 1 slot busy)");
  EXPECT_THAT(script.Run("x", "e/f#1", 0), Contains("grant x b/c#1 input=A 10m"));
}

TEST(CorePlacement, AnEarlyOneGoesElsewhereRatherThanWait) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {{"a"}, {"c", {"a"}}});
  script.Prepared("x", "b/c#1");
  script.Submit("e", {{"f"}});
  script.Run("x", "b/a#1", 0, "A");
  EXPECT_THAT(script.Hello("y", 1),
              ElementsAre("welcome y", "cancel x b/c#1 discard", "prepare y b/c#2 input=A"));
}

TEST(CorePlacement, NothingIsPreparedEarlyWhileReadyStepsWait) {
  Script script;
  script.Hello("x", 1);
  EXPECT_THAT(script.Submit("b", {{"a"}, {"c"}, {"d", {"a"}}}),
              ElementsAre("prepare x b/a#1 input=ctx"));
  EXPECT_THAT(script.Run("x", "b/a#1", 0), Not(Contains("prepare x b/d#1")));
}

TEST(CorePlacement, AnEarlyOneThatCouldNotBePreparedIsDecidedInItsTurn) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {{"a"}, {"c", {"a"}}});
  EXPECT_THAT(script.Rejected("x", "b/c#1", RejectCause::kPermanent, "no such image"), IsEmpty());
  EXPECT_EQ(script.State("b", "c"), "waiting: waits for a");
  script.Run("x", "b/a#1", 1);
  EXPECT_EQ(script.step("b", "c").status, StepStatus::kSkipped);
}

TEST(CorePlacement, APreparationIsNotKeptForEver) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {{"a", {}, "i@sha256:1", absl::Hours(1)}, {"c", {"a"}}}, absl::Hours(9));
  script.Prepared("x", "b/a#1");
  EXPECT_THAT(script.Pass(absl::Minutes(11)), ElementsAre("cancel x b/c#1 discard"));
  EXPECT_EQ(script.State("b", "c"), "waiting: waits for a");
  EXPECT_THAT(script.Exited("x", "b/a#1", 0),
              ElementsAre("ack x b/a#1", "prepare x b/c#2 input=ctx"));
}

TEST(CorePlacement, AnUnresolvedTagIsNotPreparedEarly) {
  Script script;
  script.Hello("x", 2);
  EXPECT_THAT(script.Submit("b", {{"a"}, {"c", {"a"}, "img:1"}}),
              ElementsAre("prepare x b/a#1 input=ctx"));
}

TEST(CorePlacement, ALongListOfWhatAStepWaitsForIsShort) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {{"a"}, {"c"}, {"d"}, {"e"}, {"f", {"a", "c", "d", "e"}}});
  EXPECT_EQ(script.State("b", "f"), "waiting: waits for a and 3 other steps");
  script.Run("x", "b/a#1", 0);
  EXPECT_EQ(script.State("b", "f"), "waiting: waits for c, d, e");
}

}  // namespace
}  // namespace rally::core
