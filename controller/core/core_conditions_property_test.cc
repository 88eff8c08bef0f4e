// Random graphs with random conditions, whose steps end with random codes. LANGUAGE.md 4.3 says of
// every such history: the build ends; each step ran, or was skipped, as the rule says; and a
// skipped step is transparent.
#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/core.h"
#include "controller/core/slow_model.h"
#include "gtest/gtest.h"

namespace rally::core {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1000000);

class Graphs {
 public:
  explicit Graphs(uint32_t seed) : random_(seed) {}

  int Below(int limit) { return static_cast<int>(random_() % static_cast<uint32_t>(limit)); }

  std::vector<int> Codes() {
    static constexpr int kCodes[] = {0, 1, 2, 124, 125, 255};
    std::set<int> codes;
    for (int i = Below(3); i >= 0; --i) codes.insert(kCodes[Below(6)]);
    return {codes.begin(), codes.end()};
  }

  // In a random order of the file.
  std::vector<StepDefinition> Steps() {
    const int count = 1 + Below(14);
    std::vector<int> places(count);
    for (int i = 0; i < count; ++i) places[i] = i;
    std::shuffle(places.begin(), places.end(), random_);
    std::vector<StepDefinition> steps(count);
    for (int i = 0; i < count; ++i) {
      StepDefinition& step = steps[places[i]];
      step.spec.id = absl::StrCat("s", places[i]);
      step.spec.image = "img@sha256:0";
      step.timeout = absl::Hours(1);
      for (int j = std::max(0, i - 5); j < i; ++j) {
        if (Below(3) == 0) step.dependencies.push_back(places[j]);
      }
      std::sort(step.dependencies.begin(), step.dependencies.end());
      if (Below(3) == 0) step.exited_with = Codes();
      if (Below(3) == 0) step.exited_without = Codes();
    }
    return steps;
  }

 private:
  std::mt19937 random_;
};

// Runs the steps to the build's end in a random order. A step ends by itself, by its timeout, or is
// errored, as its code says.
class History {
 public:
  History(const std::vector<StepDefinition>& steps, const std::map<std::string, int>& codes,
          uint32_t seed) {
    Graphs random(seed);
    AgentConnected hello;
    hello.agent = "x";
    hello.session = 1;
    hello.slots = 100;
    Tell(hello);
    BuildSubmitted submitted;
    submitted.build_id = "b";
    submitted.context = TreeOf({});
    submitted.total_timeout = absl::Hours(100);
    submitted.steps = steps;
    Tell(submitted);
    while (!IsTerminal(build().status)) {
      std::vector<int> assigned;
      for (size_t i = 0; i < steps.size(); ++i) {
        if (build().steps[i].status == StepStatus::kAssigned)
          assigned.push_back(static_cast<int>(i));
      }
      if (assigned.empty()) break;
      End(assigned[random.Below(static_cast<int>(assigned.size()))], codes);
    }
  }

  const Build& build() const { return *core_.FindBuild("b"); }
  const Step& step(const std::string& id) const {
    for (const Step& step : build().steps) {
      if (step.definition.spec.id == id) return step;
    }
    ADD_FAILURE() << "no step " << id;
    return build().steps[0];
  }
  bool ReplaysAlike() const {
    Core again;
    for (const Event& event : events_) {
      if (!again.Apply(event, kNow).ok()) return false;
    }
    return Fingerprint(again) == Fingerprint(core_);
  }

 private:
  void Tell(const Event& event) {
    events_.push_back(event);
    EXPECT_TRUE(core_.Apply(event, kNow).ok());
  }

  void End(int index, const std::map<std::string, int>& codes) {
    const Step& step = build().steps[index];
    const int code = codes.at(step.definition.spec.id);
    const AttemptKey key{"b", index, step.attempt};
    Tell(AttemptPrepared{"x", key, "sha256:0", absl::ZeroDuration(), absl::ZeroDuration()});
    AttemptEnded ended;
    ended.agent = "x";
    ended.key = key;
    ended.exit_code = code;
    if (code == kTimedOut) ended.kind = EndKind::kTimedOut;
    if (code == kErrored) ended.kind = EndKind::kErrored;
    Tell(ended);
  }

  static constexpr int kTimedOut = 124;
  static constexpr int kErrored = 125;

  Core core_;
  std::vector<Event> events_;
};

std::map<std::string, int> RandomCodes(Graphs& random, const std::vector<StepDefinition>& steps) {
  static constexpr int kCodes[] = {0, 0, 0, 1, 2, 124, 125};
  std::map<std::string, int> codes;
  for (const StepDefinition& step : steps) codes[step.spec.id] = kCodes[random.Below(7)];
  return codes;
}

TEST(CoreConditionsProperty, EveryBuildEndsAsTheLanguageSays) {
  std::map<std::string, int> seen;
  for (uint32_t seed = 1; seed <= 4000; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Graphs random(seed);
    const std::vector<StepDefinition> steps = random.Steps();
    const std::map<std::string, int> codes = RandomCodes(random, steps);
    const History run(steps, codes, seed);
    ASSERT_TRUE(IsTerminal(run.build().status)) << "every build ends";
    bool failed = false;
    for (size_t i = 0; i < steps.size(); ++i) {
      const Step& step = run.build().steps[i];
      const int index = static_cast<int>(i);
      ASSERT_EQ(step.status == StepStatus::kSkipped, !MayRun(run.build(), index)) << i;
      ++seen[ToString(step.status)];
      if (step.status == StepStatus::kSkipped) {
        EXPECT_FALSE(step.exit_code.has_value());
        EXPECT_EQ(step.message.find("skipped: "), 0u) << step.message;
        continue;
      }
      EXPECT_EQ(step.exit_code, codes.at(step.definition.spec.id));
      failed = failed || *step.exit_code != 0;
      const std::vector<int>& named = step.handled_by;
      EXPECT_EQ(std::set<int>(named.begin(), named.end()), HandlersOf(run.build(), index)) << i;
      seen["handled"] += named.empty() ? 0 : 1;
    }
    EXPECT_EQ(run.build().status, failed ? BuildStatus::kFailed : BuildStatus::kSucceeded)
        << "handled or not";
    // In whatever order the steps come to their ends.
    const History other(steps, codes, seed + 1000000);
    for (size_t i = 0; i < steps.size(); ++i) {
      EXPECT_EQ(run.build().steps[i].status, other.build().steps[i].status) << i;
    }
    EXPECT_TRUE(run.ReplaysAlike());
    ASSERT_FALSE(HasFailure());
  }
  for (const char* what : {"succeeded", "failed", "timed-out", "errored", "skipped", "handled"}) {
    EXPECT_GT(seen[what], 500) << what;
  }
}

TEST(CoreConditionsProperty, ForOneListExactlyOneOfTheTwoConditionsRuns) {
  int with_ran = 0;
  int without_ran = 0;
  for (uint32_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Graphs random(seed);
    std::vector<StepDefinition> steps = random.Steps();
    StepDefinition with;
    with.spec.image = "img@sha256:0";
    with.timeout = absl::Hours(1);
    for (size_t i = 0; i < steps.size(); ++i) {
      if (i == 0 || random.Below(2) == 0) with.dependencies.push_back(static_cast<int>(i));
    }
    StepDefinition without = with;
    with.spec.id = "with";
    without.spec.id = "without";
    with.exited_with = without.exited_without = random.Codes();
    steps.push_back(with);
    steps.push_back(without);
    const History run(steps, RandomCodes(random, steps), seed);
    const bool one = run.step("with").status != StepStatus::kSkipped;
    const bool other = run.step("without").status != StepStatus::kSkipped;
    ASSERT_NE(one, other);
    with_ran += one ? 1 : 0;
    without_ran += other ? 1 : 0;
  }
  EXPECT_GT(with_ran, 200);
  EXPECT_GT(without_ran, 200);
}

// The same pipeline without its skipped steps: what waited for one waits for what that one waited
// for.
std::vector<StepDefinition> WithoutSkipped(const Build& build) {
  std::vector<std::set<int>> through(build.steps.size());
  for (int index : build.order) {
    for (int dependency : build.steps[index].definition.dependencies) {
      if (build.steps[dependency].status == StepStatus::kSkipped) {
        through[index].insert(through[dependency].begin(), through[dependency].end());
      } else {
        through[index].insert(dependency);
      }
    }
  }
  std::map<int, int> new_index;
  for (size_t i = 0; i < build.steps.size(); ++i) {
    if (build.steps[i].status == StepStatus::kSkipped) continue;
    const int next = static_cast<int>(new_index.size());
    new_index[static_cast<int>(i)] = next;
  }
  std::vector<StepDefinition> steps;
  for (const auto& [index, unused] : new_index) {
    StepDefinition step = build.steps[index].definition;
    step.dependencies.clear();
    for (int dependency : through[index]) step.dependencies.push_back(new_index.at(dependency));
    steps.push_back(step);
  }
  return steps;
}

TEST(CoreConditionsProperty, ASkippedStepChangesNothingForWhatComesAfterIt) {
  int removed = 0;
  for (uint32_t seed = 1; seed <= 4000; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Graphs random(seed);
    const std::vector<StepDefinition> steps = random.Steps();
    const std::map<std::string, int> codes = RandomCodes(random, steps);
    const History run(steps, codes, seed);
    const std::vector<StepDefinition> left = WithoutSkipped(run.build());
    removed += static_cast<int>(steps.size() - left.size());
    const History without(left, codes, seed);
    for (const StepDefinition& step : left) {
      ASSERT_EQ(without.step(step.spec.id).status, run.step(step.spec.id).status) << step.spec.id;
      EXPECT_EQ(without.step(step.spec.id).handled_by.size(),
                run.step(step.spec.id).handled_by.size());
    }
    EXPECT_EQ(without.build().status, run.build().status);
  }
  EXPECT_GT(removed, 2000);
}

}  // namespace
}  // namespace rally::core
