// What must hold after every event.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/random_fleet.h"
#include "controller/core/slow_model.h"
#include "gtest/gtest.h"

namespace rally::core {

std::string Fleet::Brief(const Step& step) {
  return absl::StrCat(ToString(step.status), " attempt ", step.attempt, " on ", step.agent,
                      " prepared ", step.prepared, " granted ", step.granted, " code ",
                      step.exit_code.value_or(-1), " failures ", step.infrastructure_failures);
}

// The step that a report of an attempt is about, unless it comes from the current attempt. Null
// too for a step that could get a slot just now, because time has passed.
const Step* Fleet::StepOfStaleReport(const Event& event) const {
  const AttemptKey* key = nullptr;
  std::string agent;
  std::visit(
      [&](const auto& report) {
        using Report = std::decay_t<decltype(report)>;
        if constexpr (std::is_same_v<Report, AttemptPrepared> ||
                      std::is_same_v<Report, AttemptRejected> ||
                      std::is_same_v<Report, AttemptStarted> ||
                      std::is_same_v<Report, AttemptEnded>) {
          key = &report.key;
          agent = report.agent;
        }
      },
      event);
  if (key == nullptr) return nullptr;
  const Step& step = core_->FindBuild(key->build_id)->steps[key->step];
  if (IsUnderWay(step) && step.attempt == key->attempt && step.agent == agent) return nullptr;
  const bool may_be_placed =
      step.early || step.status == StepStatus::kReady || step.status == StepStatus::kWaiting;
  return may_be_placed ? nullptr : &step;
}

void Fleet::Check(const Command& command, const std::map<std::string, BuildStatus>& before,
                  const std::set<std::string>& draining_before) {
  if (const auto* prepare = std::get_if<SendPrepare>(&command)) {
    EXPECT_FALSE(draining_before.count(prepare->agent) != 0 &&
                 core_->Agents().at(prepare->agent).draining)
        << "18: a draining agent gets Prepare";
    auto status = before.find(prepare->key.build_id);
    EXPECT_TRUE(status == before.end() || status->second == BuildStatus::kRunning)
        << "14: an attempt begins after cancelling";
    EXPECT_EQ(prepare->key.attempt,
              core_->FindBuild(prepare->key.build_id)->steps[prepare->key.step].attempt)
        << "3: only the highest is current";
    const std::string& image = prepare->spec.image;
    if (image.rfind("tag:", 0) == 0 && prepare->image_digest.empty()) {
      int resolving = 0;
      for (const Step& step : core_->FindBuild(prepare->key.build_id)->steps) {
        if (IsUnderWay(step) && step.definition.spec.image == image) ++resolving;
      }
      EXPECT_LE(resolving, 1) << "one attempt resolves a tag";
    }
  } else if (const auto* grant = std::get_if<SendStartGrant>(&command)) {
    auto status = before.find(grant->key.build_id);
    ASSERT_NE(status, before.end());
    EXPECT_EQ(status->second, BuildStatus::kRunning) << "10: granted after cancelling";
    const Build& build = *core_->FindBuild(grant->key.build_id);
    EXPECT_TRUE(MayRun(build, grant->key.step)) << "6: granted before its dependencies";
    std::set<std::string> expected;
    for (int ancestor : ancestors_[build.id][grant->key.step]) {
      const Step& step = build.steps[ancestor];
      if (!SettledOutput(step).empty()) expected.insert(step.definition.spec.id);
    }
    // A grant that is repeated has the input of the first, whatever was made anew since.
    if (!build.steps[grant->key.step].behind) {
      EXPECT_EQ(WritersIn(grant->input), expected) << build.id << " step " << grant->key.step;
    }
    EXPECT_GT(grant->timeout_left, absl::ZeroDuration());
    if (!granted_.insert(NameOf(grant->key)).second) ++seen_["grant again"];
    if (early_.count(NameOf(grant->key)) != 0) ++seen_["promoted"];
  } else if (const auto* join = std::get_if<JoinTrees>(&command)) {
    const auto& ancestors = ancestors_[join->build_id];
    ASSERT_EQ(join->before.size(), join->deltas.size());
    for (size_t i = 0; i < join->deltas.size(); ++i) {
      std::vector<int> expected;
      for (size_t j = 0; j < join->deltas.size(); ++j) {
        if (ancestors[join->deltas[i].step].count(join->deltas[j].step) != 0) {
          expected.push_back(static_cast<int>(j));
        }
      }
      EXPECT_EQ(join->before[i], expected);
    }
    if (core_->FindBuild(join->build_id)->generation == 0) {
      EXPECT_GE(join->deltas.size(), 2u) << "one delta needs no join";
    }
    ++seen_[join->step < 0 ? "workspace join" : "join"];
  } else if (const auto* cancel = std::get_if<SendCancel>(&command)) {
    if (cancel->discard) ++seen_["discard"];
  } else if (const auto* welcome = std::get_if<SendWelcome>(&command)) {
    for (const AttemptVerdict& verdict : welcome->verdicts) {
      if (verdict.verdict == Verdict::kKill) ++seen_["kill"];
      if (verdict.verdict == Verdict::kForget) ++seen_["forget"];
      if (verdict.verdict == Verdict::kResendResult) ++seen_["resend"];
    }
  }
}

void Fleet::CheckState() {
  std::map<std::string, std::pair<int, int>> held;  // slots and early ones by agent
  for (const Build* build : core_->Builds()) {
    int unfinished = 0;
    for (size_t i = 0; i < build->steps.size(); ++i) {
      const Step& step = build->steps[i];
      const std::pair<std::string, int> name = {build->id, static_cast<int>(i)};
      int& last_attempt = last_attempts_[name];
      EXPECT_TRUE(step.attempt == last_attempt || step.attempt == last_attempt + 1) << "3";
      last_attempt = step.attempt;
      EXPECT_LE(step.infrastructure_failures, 3) << "9";
      if (IsUnderWay(step)) {
        ++(step.early ? held[step.agent].second : held[step.agent].first);
        EXPECT_LT(core_->NextDeadline(), absl::InfiniteFuture()) << "19: no timer";
      }
      EXPECT_FALSE(step.granted && step.early);
      if (step.early && early_.insert({build->id, static_cast<int>(i), step.attempt}).second) {
        ++seen_["early"];
        for (int dependency : step.definition.dependencies) {
          const Step& before = build->steps[dependency];
          EXPECT_TRUE(IsUnderWay(before) || SettledStatus(before) == StepStatus::kSucceeded ||
                      SettledStatus(before) == StepStatus::kSkipped)
              << "prepared too early";
        }
      }
      if (step.ended_before.has_value()) CheckEnd(build->id, static_cast<int>(i), step);
      if (!IsTerminal(step.status)) {
        ++unfinished;
        // 19: a step waits for something that is still to come.
        if (step.status == StepStatus::kWaiting) {
          EXPECT_GT(step.undecided_dependencies, 0);
        }
        if (step.status != StepStatus::kRunning) {
          EXPECT_NE(step.message, "")
              << build->id << " " << step.definition.spec.id << " " << ToString(step.status);
        }
        EXPECT_FALSE(IsTerminal(build->status));
        if (build->status == BuildStatus::kCancelling) {
          EXPECT_TRUE(step.granted && step.cancelling);
        }
        continue;
      }
      EXPECT_EQ(step.early, false);
      CheckEnd(build->id, static_cast<int>(i), step);
    }
    EXPECT_EQ(unfinished, build->unfinished_steps);
    if (IsTerminal(build->status)) CheckEndedBuild(*build);
  }
  for (const auto& [name, agent] : core_->Agents()) {
    EXPECT_EQ(agent.busy_slots, held[name].first) << "17: " << name;
    EXPECT_EQ(agent.early_prepared, held[name].second) << "17: " << name;
    EXPECT_LE(agent.busy_slots, agent.slots) << "17";
    EXPECT_LE(agent.early_prepared, agent.slots) << "17";
  }
}

// Of a step that has ended, or had ended and runs again.
void Fleet::CheckEnd(const std::string& build, int index, const Step& step) {
  auto [end, is_new] = ends_.try_emplace(
      {build, index}, End{step.status, step.exit_code, step.input, step.output, step.attempt});
  if (is_new) {
    EXPECT_FALSE(step.ended_before.has_value());
    ++seen_[absl::StrCat("step ", ToString(step.status))];
    if (step.message.find("outcome is unknown") != std::string::npos) ++seen_["unknown outcome"];
    if (step.message.find("of its input is lost") != std::string::npos) ++seen_["given up"];
    if (step.infrastructure_failures > 0) {
      ++seen_[step.infrastructure_failures == 3 ? "used up" : "retry"];
    }
    if (step.status == StepStatus::kSucceeded) {
      EXPECT_TRUE(step.granted) << "23";
    }
    // Every agent here answers in the end: nobody is given up as mute.
    EXPECT_EQ(step.message.find("gave no result"), std::string::npos);
    EXPECT_EQ(step.message.find("did not report"), std::string::npos);
    return;
  }
  EXPECT_EQ(end->second.status, SettledStatus(step)) << "4";
  EXPECT_EQ(end->second.exit_code, step.exit_code) << "4";
  if (step.reruns == 0) {
    EXPECT_EQ(end->second.input, step.input) << "4";
    EXPECT_EQ(end->second.output, step.output) << "4";
    EXPECT_EQ(end->second.attempt, step.attempt) << "5";
    if (step.behind) ++seen_["behind"];
    return;
  }
  EXPECT_EQ(step.definition.rerun, Rerun::kSafe) << "P16";
  EXPECT_EQ(step.reruns, 1) << "P16";
  if (step.ended_before.has_value()) {
    EXPECT_EQ(end->second.output, step.ended_before->output) << "P16";
    return;
  }
  ++seen_[end->second.attempt < step.attempt && step.granted ? "ran again" : "wanted again"];
}

void Fleet::CheckEndedBuild(const Build& build) {
  auto [end, is_new] = build_ends_.try_emplace(build.id, build.status);
  EXPECT_EQ(end->second, build.status) << "4";
  if (!is_new) return;
  ++seen_[ToString(build.status)];
  std::set<std::string> writers;
  int failed = 0;
  int cancelled = 0;
  for (const Step& step : build.steps) {
    if (!step.output.empty()) writers.insert(step.definition.spec.id);
    failed += step.status == StepStatus::kFailed || step.status == StepStatus::kTimedOut ||
              step.status == StepStatus::kErrored;
    cancelled += step.status == StepStatus::kCancelled;
  }
  EXPECT_EQ(WritersIn(build.workspace), writers) << "the final workspace";
  if (failed > 0) {
    EXPECT_EQ(build.status, BuildStatus::kFailed) << "handled or not";
  } else if (build.status == BuildStatus::kFailed) {
    EXPECT_TRUE(build.fail_on_conflict && build.reason.find("conflict") != std::string::npos)
        << build.reason;
    ++seen_["workspace conflict"];
  } else if (cancelled > 0) {
    EXPECT_NE(build.status, BuildStatus::kSucceeded);
  }
  if (build.fail_fast && failed > 0 && cancelled > 0) ++seen_["fail-fast"];
  CheckDecisions(build);
  if (cancelled == 0) CheckHandlers(build);
}

// What ran, was skipped or was cancelled is what the language says.
void Fleet::CheckDecisions(const Build& build) {
  for (size_t i = 0; i < build.steps.size(); ++i) {
    const Step& step = build.steps[i];
    if (step.status == StepStatus::kCancelled || SeesCancelled(build, static_cast<int>(i)))
      continue;
    EXPECT_EQ(step.status != StepStatus::kSkipped, MayRun(build, static_cast<int>(i)))
        << build.id << " " << step.definition.spec.id;
  }
  auto twins = twins_.find(build.id);
  if (twins == twins_.end()) return;
  const Step& with = build.steps[twins->second.first];
  const Step& without = build.steps[twins->second.second];
  if (with.status == StepStatus::kCancelled || without.status == StepStatus::kCancelled) return;
  ++seen_["twins"];
  EXPECT_NE(with.status == StepStatus::kSkipped, without.status == StepStatus::kSkipped)
      << build.id << ": for one list, exactly one of exitedWith and exitedWithout runs";
}

void Fleet::CheckHandlers(const Build& build) {
  for (size_t i = 0; i < build.steps.size(); ++i) {
    const std::vector<int>& named = build.steps[i].handled_by;
    EXPECT_EQ(std::set<int>(named.begin(), named.end()), HandlersOf(build, static_cast<int>(i)))
        << build.id << " " << i;
    if (!named.empty()) ++seen_["handled"];
  }
}

void Fleet::CheckRerunClasses() {
  std::map<StepName, int> running;
  for (const auto& [name, agent] : agents_) {
    for (const auto& [attempt, state] : agent.attempts) {
      if (state.state == AttemptReportState::kStarting ||
          state.state == AttemptReportState::kRunning) {
        ++running[{std::get<0>(attempt), std::get<1>(attempt)}];
      }
    }
  }
  for (const auto& [name, attempts] : starts_) {
    const Step& step = core_->FindBuild(name.first)->steps[name.second];
    switch (step.definition.rerun) {
      case Rerun::kSafe:
        if (running[name] > 1) ++seen_["safe overlap"];
        break;
      case Rerun::kExclusive:
        EXPECT_LE(running[name], 1) << "P5: " << name.first << " " << name.second;
        if (attempts.size() > 1) ++seen_["exclusive again"];
        break;
      case Rerun::kNever:
        EXPECT_EQ(attempts.size(), 1u) << "P4: " << name.first << " " << name.second;
        break;
    }
  }
}

}  // namespace rally::core
