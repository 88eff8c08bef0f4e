#include "controller/core/slow_model.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace rally::core {
namespace {

constexpr char kTreePrefix[] = "tree:";

bool Contains(const std::vector<int>& codes, int code) {
  for (int known : codes) {
    if (known == code) return true;
  }
  return false;
}

// Whether `handler` sees the step's own result, directly or through skipped steps.
bool Sees(const Build& build, int handler, int step) {
  for (int dependency : build.steps[handler].definition.dependencies) {
    if (dependency == step && build.steps[step].status != StepStatus::kSkipped) return true;
    if (build.steps[dependency].status == StepStatus::kSkipped && Sees(build, dependency, step)) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool IsUnderWay(const Step& step) {
  return step.early || step.status == StepStatus::kAssigned || step.status == StepStatus::kRunning;
}

Digest TreeOf(const std::set<std::string>& writers) {
  return {absl::StrCat(kTreePrefix, absl::StrJoin(writers, ",")), 1};
}

std::set<std::string> WritersIn(const Digest& tree) {
  const std::string list = tree.hash.substr(std::string(kTreePrefix).size());
  if (list.empty()) return {};
  return absl::StrSplit(list, ',');
}

std::vector<std::set<int>> Ancestors(const Build& build) {
  std::vector<std::set<int>> ancestors(build.steps.size());
  for (int index : build.order) {
    for (int dependency : build.steps[index].definition.dependencies) {
      ancestors[index].insert(dependency);
      ancestors[index].insert(ancestors[dependency].begin(), ancestors[dependency].end());
    }
  }
  return ancestors;
}

std::set<int> ResultsOf(const Build& build, int index) {
  const Step& step = build.steps[index];
  if (step.status == StepStatus::kSkipped) {
    std::set<int> results;
    for (int dependency : step.definition.dependencies) {
      const std::set<int> of = ResultsOf(build, dependency);
      results.insert(of.begin(), of.end());
    }
    return results;
  }
  if (step.exit_code.has_value()) return {*step.exit_code};
  return {};
}

bool SeesCancelled(const Build& build, int index) {
  for (int dependency : build.steps[index].definition.dependencies) {
    if (build.steps[dependency].status == StepStatus::kCancelled) return true;
  }
  return false;
}

bool MayRun(const Build& build, int index) {
  const StepDefinition& definition = build.steps[index].definition;
  if (definition.dependencies.empty()) return true;
  std::set<int> seen;
  for (int dependency : definition.dependencies) {
    if (!IsTerminal(SettledStatus(build.steps[dependency]))) return false;
    const std::set<int> of = ResultsOf(build, dependency);
    seen.insert(of.begin(), of.end());
  }
  if (SeesCancelled(build, index)) return false;
  if (definition.exited_with.empty() && definition.exited_without.empty()) {
    return seen.empty() || seen == std::set<int>{0};
  }
  bool with = definition.exited_with.empty();
  bool without = true;
  for (int code : seen) {
    with = with || Contains(definition.exited_with, code);
    without = without && !Contains(definition.exited_without, code);
  }
  return with && without;
}

std::set<int> HandlersOf(const Build& build, int index) {
  std::set<int> handlers;
  const int code = build.steps[index].exit_code.value_or(0);
  if (code == 0) return handlers;
  for (size_t i = 0; i < build.steps.size(); ++i) {
    const int candidate = static_cast<int>(i);
    const StepDefinition& definition = build.steps[i].definition;
    if (definition.exited_with.empty() && definition.exited_without.empty()) continue;
    if (build.steps[i].status == StepStatus::kSkipped || !Sees(build, candidate, index)) continue;
    if (definition.exited_with.empty() || Contains(definition.exited_with, code)) {
      handlers.insert(candidate);
    }
  }
  return handlers;
}

}  // namespace rally::core
