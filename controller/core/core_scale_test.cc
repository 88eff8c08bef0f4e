// The largest builds that are accepted, run to their end. Prints what it took; asserts only that
// they end as they should.
#include <chrono>
#include <deque>
#include <iostream>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "controller/core/core.h"
#include "gtest/gtest.h"

namespace rally::core {
namespace {

constexpr int kSteps = 20000;

BuildSubmitted Empty() {
  BuildSubmitted event;
  event.build_id = "b";
  event.context = {"ctx", 1};
  event.total_timeout = absl::Hours(1000);
  event.steps.resize(kSteps);
  for (int i = 0; i < kSteps; ++i) {
    event.steps[i].spec.id = absl::StrCat("step-", i);
    event.steps[i].spec.image = "img:1";
    event.steps[i].timeout = absl::Hours(1);
  }
  return event;
}

// Agents that do at once what they are told.
void RunToTheEnd(const std::string& what, const BuildSubmitted& build, bool with_deltas) {
  const auto started = std::chrono::steady_clock::now();
  Core core;
  absl::Time now = absl::FromUnixSeconds(1000000);
  std::deque<Event> events;
  for (int i = 0; i < 20; ++i) {
    AgentConnected hello;
    hello.agent = absl::StrCat("agent-", i);
    hello.session = i + 1;
    hello.slots = 8;
    events.push_back(hello);
  }
  events.push_back(build);
  int64_t applied = 0;
  while (!events.empty()) {
    now += absl::Milliseconds(1);
    absl::StatusOr<std::vector<Command>> commands = core.Apply(events.front(), now);
    ASSERT_TRUE(commands.ok()) << commands.status();
    events.pop_front();
    ++applied;
    for (const Command& command : *commands) {
      if (const auto* prepare = std::get_if<SendPrepare>(&command)) {
        events.push_back(AttemptPrepared{prepare->agent, prepare->key, "sha256:1", {}, {}});
      } else if (const auto* grant = std::get_if<SendStartGrant>(&command)) {
        events.push_back(AttemptStarted{grant->agent, grant->key, {}});
        AttemptEnded end;
        end.agent = grant->agent;
        end.key = grant->key;
        if (with_deltas) end.output = {absl::StrCat("tree-", grant->key.step), 1};
        events.push_back(end);
      } else if (const auto* join = std::get_if<JoinTrees>(&command)) {
        events.push_back(
            TreeJoined{join->build_id, join->step, {absl::StrCat("join-", join->step), 1}, {}, ""});
      }
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  std::cout << what << ": " << applied << " events in " << took.count() << " s\n";
  const Build& end = *core.FindBuild("b");
  EXPECT_EQ(end.status, BuildStatus::kSucceeded);
  EXPECT_EQ(end.unfinished_steps, 0);
  for (const auto& [name, agent] : core.Agents()) EXPECT_EQ(agent.busy_slots, 0);
}

TEST(CoreScale, Chain) {
  BuildSubmitted build = Empty();
  for (int i = 1; i < kSteps; ++i) build.steps[i].dependencies = {i - 1};
  RunToTheEnd("chain", build, true);
}

TEST(CoreScale, Fan) {
  BuildSubmitted build = Empty();
  for (int i = 1; i < kSteps - 1; ++i) {
    build.steps[i].dependencies = {0};
    build.steps[kSteps - 1].dependencies.push_back(i);
  }
  RunToTheEnd("fan", build, true);
}

TEST(CoreScale, ChainOfForks) {
  BuildSubmitted build = Empty();
  for (int i = 1; i < kSteps; ++i) {
    // 0 -> 1, 2 -> 3 -> 4, 5 -> 6 ...
    if (i % 3 == 0) {
      build.steps[i].dependencies = {i - 2, i - 1};
    } else {
      build.steps[i].dependencies = {i - i % 3};
    }
  }
  RunToTheEnd("chain of forks", build, true);
}

TEST(CoreScale, EachNamesItsTwoPredecessorsAndTheFirst) {
  BuildSubmitted build = Empty();
  for (int i = 1; i < kSteps; ++i) {
    std::set<int> dependencies = {0, i - 1};
    if (i > 1) dependencies.insert(i - 2);
    build.steps[i].dependencies.assign(dependencies.begin(), dependencies.end());
  }
  RunToTheEnd("ladder", build, true);
  RunToTheEnd("ladder that writes nothing", build, false);
}

TEST(CoreScale, LayersThatDependOnAllOfTheLayerBefore) {
  BuildSubmitted build = Empty();
  constexpr int kWidth = 50;  // a million edges
  for (int i = kWidth; i < kSteps; ++i) {
    const int layer = i - i % kWidth;
    for (int j = layer - kWidth; j < layer; ++j) build.steps[i].dependencies.push_back(j);
  }
  RunToTheEnd("layers that write nothing", build, false);
  RunToTheEnd("layers", build, true);
}

}  // namespace
}  // namespace rally::core
