// Builds that end at their first failure, and pipelines that call a conflict an error.
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

const ScriptPolicy kFailFast{false, true};
const ScriptPolicy kNoConflicts{true, false};

std::vector<std::string> SubmitFailFast(Script& script, const std::vector<ScriptStep>& steps) {
  return script.Submit("b", steps, absl::Hours(1), {}, kFailFast);
}

TEST(CoreFailFast, TheFirstFailureCancelsAllThatHasNotEnded) {
  Script script;
  script.Hello("x", 3);
  SubmitFailFast(script, {{"done"},
                          {"bad"},
                          {"runs"},
                          {"next", {"runs"}},
                          {"panic", {"bad"}, "img@sha256:0", absl::Minutes(1), {3}},
                          {"queued"}});
  script.Run("x", "b/done#1", 0, "D");
  script.Prepared("x", "b/runs#1");
  script.Started("x", "b/runs#1");
  EXPECT_THAT(script.Run("x", "b/bad#1", 3, "B"), Contains("cancel x b/runs#1"));
  EXPECT_EQ(script.build("b").status, BuildStatus::kCancelling);
  EXPECT_EQ(script.build("b").reason,
            "step bad failed with exit code 3, and the build ends at its first failure "
            "(fail-fast)");
  EXPECT_EQ(script.State("b", "done"), "succeeded");
  EXPECT_EQ(script.State("b", "bad"), "failed: exit code 3");
  EXPECT_EQ(script.step("b", "panic").status, StepStatus::kCancelled) << "no handler runs";
  EXPECT_EQ(script.step("b", "next").status, StepStatus::kCancelled);
  EXPECT_EQ(script.step("b", "queued").status, StepStatus::kCancelled);
  EXPECT_THAT(script.step("b", "bad").handled_by, IsEmpty());
  EXPECT_THAT(script.Exited("x", "b/runs#1", 143), Contains("join b/workspace base=ctx done:ctx>D "
                                                            "bad:ctx>B"));
  EXPECT_THAT(script.Joined("b", -1, "DB"), ElementsAre("ended b"));
  EXPECT_EQ(script.step("b", "runs").status, StepStatus::kCancelled);
  EXPECT_EQ(script.build("b").status, BuildStatus::kFailed) << "not cancelled";
  EXPECT_EQ(Fingerprint(*script.Replay()), Fingerprint(script.core()));
}

TEST(CoreFailFast, EveryKindOfFailureCounts) {
  Script errored;
  errored.Hello("x", 2);
  SubmitFailFast(errored, {{"a"}, {"c"}});
  EXPECT_THAT(errored.Rejected("x", "b/a#1", RejectCause::kPermanent, "no such image"),
              Contains("cancel x b/c#1 discard"));
  EXPECT_EQ(errored.step("b", "c").status, StepStatus::kCancelled);
  EXPECT_EQ(errored.build("b").status, BuildStatus::kFailed);
  EXPECT_THAT(errored.build("b").reason, HasSubstr("a could not be run"));

  Script timed_out;
  timed_out.Hello("x", 2);
  SubmitFailFast(timed_out, {{"a", {}, "img@sha256:0", absl::Minutes(1)}, {"c"}});
  timed_out.Pass(absl::Minutes(2));
  EXPECT_EQ(timed_out.step("b", "a").status, StepStatus::kTimedOut);
  EXPECT_EQ(timed_out.step("b", "c").status, StepStatus::kCancelled);
  EXPECT_EQ(timed_out.build("b").status, BuildStatus::kFailed);
}

TEST(CoreFailFast, AnAgentLostWithSeveralStepsEndsThemAll) {
  Script script(CoreOptions{1});
  script.Hello("x", 2);
  SubmitFailFast(script, {{"a"}, {"c"}});
  script.Prepared("x", "b/a#1");
  script.Prepared("x", "b/c#1");
  EXPECT_THAT(script.Lose("x"), Contains("ended b"));
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kErrored);
  EXPECT_EQ(script.step("b", "c").status, StepStatus::kCancelled);
  EXPECT_EQ(script.build("b").status, BuildStatus::kFailed);
  EXPECT_EQ(script.core().Agents().at("x").busy_slots, 0);
}

TEST(CoreFailFast, WithoutFailuresItIsLikeAnyOther) {
  Script script;
  script.Hello("x", 1);
  SubmitFailFast(script, {{"a"}, {"h", {"a"}, "img@sha256:0", absl::Minutes(1), {3}}});
  EXPECT_THAT(script.Run("x", "b/a#1", 0), Contains("ended b"));
  EXPECT_EQ(script.step("b", "h").status, StepStatus::kSkipped);
  EXPECT_EQ(script.build("b").status, BuildStatus::kSucceeded);
}

TEST(CoreConflicts, AStepThatWouldSeeBothIsErroredAndNamesThem) {
  Script script;
  script.Hello("x", 2);
  script.Submit("b",
                {{"a"},
                 {"c"},
                 {"d", {"a", "c"}},
                 {"e", {"d"}},
                 {"panic", {"d"}, "img@sha256:0", absl::Minutes(10), {125}}},
                absl::Hours(1), {}, kNoConflicts);
  script.Run("x", "b/a#1", 0, "A");
  script.Run("x", "b/c#1", 0, "C");
  EXPECT_THAT(script.Joined("b", 2, "AC", {{"a", "c", "out/f"}, {"a", "c", "out/g"}}),
              Contains("cancel x b/d#1 discard"));
  EXPECT_EQ(script.State("b", "d"),
            "errored: its input has a conflict: steps \"a\" and \"c\" both wrote out/f and neither "
            "waits for the other (and 1 more); the pipeline says conflict = "
            "\"error\"");
  EXPECT_EQ(script.step("b", "d").exit_code, 125);
  EXPECT_EQ(script.State("b", "e"), "skipped: skipped: d could not be run (code 125)");
  EXPECT_THAT(script.build("b").warnings, IsEmpty()) << "it is no warning";
  // The handler would see both as well.
  script.Joined("b", 4, "AC", {{"a", "c", "out/f"}});
  EXPECT_EQ(script.step("b", "panic").status, StepStatus::kErrored);
  script.Joined("b", -1, "AC", {{"a", "c", "out/f"}});
  EXPECT_EQ(script.build("b").status, BuildStatus::kFailed);
  EXPECT_EQ(Fingerprint(*script.Replay()), Fingerprint(script.core()));
}

TEST(CoreConflicts, OnlyInTheFinalWorkspaceItFailsTheBuild) {
  Script script;
  script.Hello("x", 2);
  script.Submit("b", {{"a"}, {"c"}}, absl::Hours(1), {}, kNoConflicts);
  script.Run("x", "b/a#1", 0, "A");
  script.Run("x", "b/c#1", 0, "C");
  EXPECT_THAT(script.Joined("b", -1, "AC", {{"a", "c", "f"}}), ElementsAre("ended b"));
  EXPECT_EQ(script.build("b").status, BuildStatus::kFailed);
  EXPECT_THAT(script.build("b").reason, HasSubstr("the final workspace has a conflict: steps "
                                                  "\"a\" and \"c\" both wrote f"));
  EXPECT_EQ(script.build("b").workspace.hash, "AC") << "to be looked at";
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kSucceeded);
}

TEST(CoreConflicts, WithoutConflictsNothingIsRefused) {
  Script script;
  script.Hello("x", 2);
  script.Submit("b", {{"a"}, {"c"}, {"d", {"a", "c"}}}, absl::Hours(1), {}, kNoConflicts);
  script.Run("x", "b/a#1", 0, "A");
  script.Run("x", "b/c#1", 0, "C");
  script.Joined("b", 2, "AC");
  EXPECT_THAT(script.Run("x", "b/d#1", 0), Contains("ended b"));
  EXPECT_EQ(script.build("b").status, BuildStatus::kSucceeded);
}

}  // namespace
}  // namespace rally::core
