// When a step runs, and what it says when it doesn't: LANGUAGE.md 4.3 and 4.4 as scripts.
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/core.h"
#include "controller/core/core_script.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr char kImage[] = "img@sha256:0";

ScriptStep Always(std::string id, std::vector<std::string> after = {}) {
  return {std::move(id), std::move(after)};
}

ScriptStep When(std::string id, std::vector<std::string> after, std::vector<int> with,
                std::vector<int> without = {}) {
  return {std::move(id),     std::move(after), kImage,
          absl::Minutes(10), std::move(with),  std::move(without)};
}

// Runs a build to its end; the steps exit with the codes given, others with 0.
class Play {
 public:
  explicit Play(const std::vector<ScriptStep>& steps, const std::map<std::string, int>& codes = {},
                ScriptPolicy policy = {}) {
    script_.Hello("x", 100);
    script_.Submit("b", steps, absl::Hours(1), {}, policy);
    for (bool went_on = true; went_on;) {
      went_on = false;
      for (const ScriptStep& step : steps) {
        const Step& now = script_.step("b", step.id);
        if (now.status != StepStatus::kAssigned) continue;
        auto code = codes.find(step.id);
        script_.Run("x", absl::StrCat("b/", step.id, "#", now.attempt),
                    code == codes.end() ? 0 : code->second);
        went_on = true;
      }
    }
    EXPECT_TRUE(IsTerminal(script_.build("b").status)) << "every build ends";
    EXPECT_EQ(Fingerprint(*script_.Replay()), Fingerprint(script_.core()));
  }

  const char* Status(const std::string& id) const { return ToString(script_.step("b", id).status); }
  const std::string& Message(const std::string& id) const { return script_.step("b", id).message; }
  std::vector<std::string> HandledBy(const std::string& id) const {
    std::vector<std::string> names;
    for (int handler : script_.step("b", id).handled_by) {
      names.push_back(script_.build("b").steps[handler].definition.spec.id);
    }
    return names;
  }
  const char* Result() const { return ToString(script_.build("b").status); }

 private:
  Script script_;
};

struct Row {
  std::vector<ScriptStep> steps;
  std::map<std::string, int> codes;
  std::map<std::string, std::string> statuses;
};

TEST(CoreConditions, EveryChainOfTheLanguagesTable) {
  const std::vector<Row> rows = {
      {{Always("a"), When("h", {"a"}, {1}), Always("c", {"h"})},
       {},
       {{"h", "skipped"}, {"c", "succeeded"}}},
      {{Always("a"), When("h", {"a"}, {1}), Always("c", {"h"})},
       {{"a", 4}},
       {{"h", "skipped"}, {"c", "skipped"}}},
      {{Always("a"), Always("b", {"a"}), Always("c", {"b"}), When("p", {"c"}, {3})},
       {{"a", 3}},
       {{"b", "skipped"}, {"c", "skipped"}, {"p", "succeeded"}}},
      {{Always("a"), When("h", {"a"}, {1}), Always("c", {"h"})},
       {{"a", 1}},
       {{"h", "succeeded"}, {"c", "succeeded"}}},
      {{Always("a"), When("l", {"a"}, {7}), When("r", {"a"}, {}, {7}), Always("j", {"l", "r"})},
       {},
       {{"l", "skipped"}, {"r", "succeeded"}, {"j", "succeeded"}}},
      {{Always("a"), When("l", {"a"}, {0}), When("r", {"a"}, {}, {0}), Always("j", {"l", "r"})},
       {{"a", 3}},
       {{"l", "skipped"}, {"r", "succeeded"}, {"j", "skipped"}}},
      {{Always("a"), When("l", {"a"}, {0}), When("r", {"a"}, {}, {0}), When("j", {"l", "r"}, {0})},
       {{"a", 3}},
       {{"l", "skipped"}, {"r", "succeeded"}, {"j", "succeeded"}}},
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    const Play play(rows[i].steps, rows[i].codes);
    for (const auto& [id, status] : rows[i].statuses) {
      EXPECT_EQ(play.Status(id), status) << "row " << i << ", step " << id;
    }
    EXPECT_STREQ(play.Result(), rows[i].codes.empty() ? "succeeded" : "failed") << "row " << i;
  }
}

TEST(CoreConditions, EveryCombinationOfTheTwoConditions) {
  struct Case {
    std::vector<int> with;
    std::vector<int> without;
    std::vector<int> codes;  // of two dependencies
    const char* status;
  };
  const Case cases[] = {
      {{}, {}, {0, 0}, "succeeded"},      {{}, {}, {0, 1}, "skipped"},
      {{1, 2}, {}, {0, 2}, "succeeded"},  {{1, 2}, {}, {2, 1}, "succeeded"},
      {{1, 2}, {}, {0, 3}, "skipped"},    {{0}, {}, {0, 3}, "succeeded"},
      {{}, {3}, {0, 0}, "succeeded"},     {{}, {3}, {0, 3}, "skipped"},
      {{}, {3}, {4, 5}, "succeeded"},     {{}, {0}, {4, 0}, "skipped"},
      {{}, {0}, {4, 5}, "succeeded"},     {{1}, {2}, {1, 0}, "succeeded"},
      {{1}, {2}, {1, 2}, "skipped"},      {{1}, {2}, {0, 0}, "skipped"},
      {{255}, {}, {255, 0}, "succeeded"}, {{0}, {1}, {0, 1}, "skipped"},
  };
  for (const Case& c : cases) {
    const Play play({Always("a"), Always("b"), When("h", {"a", "b"}, c.with, c.without)},
                    {{"a", c.codes[0]}, {"b", c.codes[1]}});
    EXPECT_STREQ(play.Status("h"), c.status)
        << &c - cases << ": " << c.codes[0] << ", " << c.codes[1];
  }
}

TEST(CoreConditions, WithoutDependenciesThereIsNothingToLookAt) {
  const Play play({When("a", {}, {7}), When("b", {}, {}, {0})});
  EXPECT_STREQ(play.Status("a"), "succeeded");
  EXPECT_STREQ(play.Status("b"), "succeeded");
}

TEST(CoreConditions, TheDocumentsPanicRunsWhenOneOfFourFails) {
  const std::vector<ScriptStep> steps = {Always("foo"),
                                         Always("bar"),
                                         Always("baz"),
                                         Always("qux"),
                                         When("panic", {"foo", "bar", "baz", "qux"}, {1, 2}),
                                         Always("ship", {"foo", "bar", "baz", "qux"})};
  const Play failed(steps, {{"baz", 2}});
  EXPECT_STREQ(failed.Status("panic"), "succeeded");
  EXPECT_STREQ(failed.Status("qux"), "succeeded") << "there is no fail-fast";
  EXPECT_STREQ(failed.Status("ship"), "skipped");
  EXPECT_STREQ(failed.Result(), "failed") << "though it was handled";
  EXPECT_THAT(failed.HandledBy("baz"), ElementsAre("panic"));
  EXPECT_THAT(failed.HandledBy("foo"), IsEmpty());
  const Play good(steps);
  EXPECT_STREQ(good.Status("panic"), "skipped");
  EXPECT_STREQ(good.Status("ship"), "succeeded");
  EXPECT_STREQ(good.Result(), "succeeded");
}

TEST(CoreConditions, HandlersAreThoseThatRanBecauseOfTheCode) {
  const Play play(
      {Always("a"), Always("b", {"a"}), When("near", {"a"}, {3}), When("far", {"b"}, {3, 4}),
       When("other", {"a"}, {4}), When("anyhow", {"a"}, {}, {9}), When("none", {"a"}, {}, {3}),
       When("second", {"near"}, {0}), When("both", {"a"}, {3}, {0})},
      {{"a", 3}});
  EXPECT_THAT(play.HandledBy("a"), UnorderedElementsAre("near", "far", "anyhow", "both"))
      << "through the skipped b too";
  EXPECT_THAT(play.HandledBy("b"), IsEmpty()) << "it didn't run";
  EXPECT_THAT(play.HandledBy("near"), IsEmpty()) << "a success needs no handler";
  EXPECT_STREQ(play.Status("second"), "succeeded");
  EXPECT_STREQ(play.Status("other"), "skipped");
  EXPECT_STREQ(play.Status("none"), "skipped");
}

TEST(CoreConditions, AHandlerSeesNothingBehindAStepThatRan) {
  const Play play({Always("a"), When("b", {"a"}, {3}), When("c", {"b"}, {3, 5})},
                  {{"a", 3}, {"b", 5}});
  EXPECT_THAT(play.HandledBy("a"), ElementsAre("b"));
  EXPECT_THAT(play.HandledBy("b"), ElementsAre("c"));
}

TEST(CoreConditions, AFailureOfManyHandlersNamesTheFirst) {
  std::vector<ScriptStep> steps = {Always("a")};
  for (int i = 0; i < 70; ++i) steps.push_back(When(absl::StrCat("h", i), {"a"}, {1}));
  const Play play(steps, {{"a", 1}});
  EXPECT_EQ(play.HandledBy("a").size(), 64u);
  EXPECT_EQ(play.HandledBy("a").front(), "h0");
}

TEST(CoreConditions, SkippedStepsSayWhyWithTheCodesSeen) {
  const Play play(
      {Always("a"), Always("b"), Always("c", {"a", "b"}), When("with", {"a", "b"}, {1, 2}),
       When("without", {"a", "b"}, {}, {7, 3}), When("both", {"a", "b"}, {3}, {0})},
      {{"a", 3}});
  EXPECT_EQ(play.Message("c"), "skipped: a failed with exit code 3");
  EXPECT_EQ(play.Message("with"),
            "skipped: no step before it exited with 1, 2 (exitedWith); codes seen: 0, 3");
  EXPECT_EQ(play.Message("without"),
            "skipped: a step before it exited with 3 (exitedWithout); codes seen: 0, 3");
  EXPECT_EQ(play.Message("both"),
            "skipped: a step before it exited with 0 (exitedWithout); codes seen: 0, 3");
}

// Brings step "a" of build "b" to an end on agent x; the current attempt is the first.
struct EndCase {
  const char* name;
  void (*end)(Script&);
  StepStatus status;
  int code;
};

void Reject(Script& script) { script.Rejected("x", "b/a#1", RejectCause::kPermanent, "no image"); }

void Exit(Script& script, int code) { script.Run("x", "b/a#1", code); }

TEST(CoreConditions, WhatCountsAsTheCodeOfAStepThatDidNotExit) {
  const EndCase cases[] = {
      {"success", [](Script& s) { Exit(s, 0); }, StepStatus::kSucceeded, 0},
      {"exit", [](Script& s) { Exit(s, 9); }, StepStatus::kFailed, 9},
      {"its own 124", [](Script& s) { Exit(s, 124); }, StepStatus::kFailed, 124},
      {"SIGKILL", [](Script& s) { Exit(s, 137); }, StepStatus::kFailed, 137},
      {"not executable", [](Script& s) { Exit(s, 126); }, StepStatus::kFailed, 126},
      {"not found", [](Script& s) { Exit(s, 127); }, StepStatus::kFailed, 127},
      {"timeout",
       [](Script& s) {
         s.Prepared("x", "b/a#1");
         s.Ended("x", "b/a#1", EndKind::kTimedOut);
       },
       StepStatus::kTimedOut, 124},
      {"timeout while it was prepared", [](Script& s) { s.Pass(absl::Minutes(11)); },
       StepStatus::kTimedOut, 124},
      {"no image", Reject, StepStatus::kErrored, 125},
      {"could not start",
       [](Script& s) {
         s.Prepared("x", "b/a#1");
         s.Ended("x", "b/a#1", EndKind::kErrored, "no");
       },
       StepStatus::kErrored, 125},
      {"lost too often",
       [](Script& s) {
         for (int attempt = 1; attempt <= 3; ++attempt) {
           s.Prepared("x", absl::StrCat("b/a#", attempt));
           s.Ended("x", absl::StrCat("b/a#", attempt), EndKind::kErrored, "host", true);
         }
       },
       StepStatus::kErrored, 125},
  };
  for (const EndCase& end : cases) {
    Script script;
    script.Hello("x", 1);
    script.Submit(
        "b", {Always("a"), When("saw", {"a"}, {end.code}), When("did-not", {"a"}, {}, {end.code})});
    end.end(script);
    EXPECT_EQ(script.step("b", "a").status, end.status) << end.name;
    EXPECT_EQ(script.step("b", "a").exit_code, end.code) << end.name;
    EXPECT_EQ(script.step("b", "saw").status, StepStatus::kAssigned) << end.name;
    EXPECT_EQ(script.step("b", "did-not").status, StepStatus::kSkipped) << end.name;
  }
}

TEST(CoreConditions, ACancelledStepShowsNothingAndNoHandlerRuns) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {Always("a"), When("h", {"a"}, {1, 130, 137}), When("w", {"a"}, {}, {0})});
  script.Prepared("x", "b/a#1");
  script.Started("x", "b/a#1");
  script.Cancel("b");
  script.Exited("x", "b/a#1", 137);
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kCancelled);
  EXPECT_FALSE(script.step("b", "a").exit_code.has_value());
  EXPECT_EQ(script.step("b", "h").status, StepStatus::kCancelled);
  EXPECT_EQ(script.step("b", "w").status, StepStatus::kCancelled);
  EXPECT_EQ(script.build("b").status, BuildStatus::kCancelled);
}

TEST(CoreConditions, AtTheTotalTimeoutNoHandlerRuns) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {Always("a"), When("h", {"a"}, {124})}, absl::Minutes(10));
  script.Prepared("x", "b/a#1");
  // Both clocks strike at once: the total wins.
  EXPECT_THAT(script.Ended("x", "b/a#1", EndKind::kTimedOut), ::testing::Contains("ended b"));
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kCancelled);
  EXPECT_EQ(script.step("b", "h").status, StepStatus::kCancelled);
  EXPECT_EQ(script.build("b").status, BuildStatus::kTimedOut);
  EXPECT_THAT(script.build("b").reason, HasSubstr("total timeout of 10m"));
}

TEST(CoreConditions, AtATieBeforeTheGrantTheTotalWinsToo) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {Always("a"), When("h", {"a"}, {124})}, absl::Minutes(10));
  script.Pass(absl::Minutes(10));
  EXPECT_EQ(script.step("b", "a").status, StepStatus::kCancelled);
  EXPECT_EQ(script.build("b").status, BuildStatus::kTimedOut);
}

TEST(CoreConditions, AStepGetsTheLesserOfItsTimeoutAndTheRestOfTheTotal) {
  Script script;
  script.Hello("x", 1);
  script.Submit("b", {Always("a"), Always("c", {"a"})}, absl::Minutes(12));
  EXPECT_THAT(script.Prepared("x", "b/a#1"), ElementsAre("grant x b/a#1 input=ctx 10m"));
  script.Prepared("x", "b/c#1");
  script.Wait(absl::Minutes(9));
  EXPECT_THAT(script.Exited("x", "b/a#1", 0),
              ElementsAre("ack x b/a#1", "grant x b/c#1 input=ctx 3m"));
}

}  // namespace
}  // namespace rally::core
