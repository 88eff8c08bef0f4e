#include "controller/core/input_plan.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <queue>
#include <set>
#include <utility>

namespace rally::core {
namespace {

// Whether what it saw was its ancestors' output as it is now, so that its trees tell of them too.
// Of a step that is behind only the delta counts.
bool IsUpToDate(const Step& step) {
  return !(step.ended_before.has_value() ? step.ended_before->behind : step.behind);
}

// What a dependent of only this step sees; empty when that isn't known without a join.
const Digest& TreeAfter(const Step& step) {
  static const Digest none;
  if (!IsUpToDate(step)) return none;
  return HasDelta(step) ? SettledOutput(step) : SettledInput(step);
}

// Leaves out a dependency that another one depends on directly: what it holds is in the other's
// tree. Steps that name all that came before are common; this keeps them as cheap as a chain.
std::vector<int> WithoutImplied(const Build& build, const std::vector<int>& dependencies) {
  constexpr size_t kMaxEdgesToLookAt = 4096;
  size_t edges = dependencies.size();
  for (int dependency : dependencies) {
    edges += build.steps[dependency].definition.dependencies.size();
    if (edges > kMaxEdgesToLookAt) return dependencies;
  }
  std::set<int> implied;
  for (int dependency : dependencies) {
    const std::vector<int>& above = build.steps[dependency].definition.dependencies;
    implied.insert(above.begin(), above.end());
  }
  std::vector<int> left;
  for (int dependency : dependencies) {
    if (implied.count(dependency) == 0) left.push_back(dependency);
  }
  return left;
}

// The tree that all of the steps show alike, or null. If no path differs between them, none differs
// from them after a join: its last writer is an ancestor of one of them.
const Digest* CommonTree(const Build& build, const std::vector<int>& steps) {
  const Digest* common = nullptr;
  for (int step : steps) {
    const Digest& tree = TreeAfter(build.steps[step]);
    if (tree.empty() || (common != nullptr && tree != *common)) return nullptr;
    common = &tree;
  }
  return common;
}

// The steps between the base and the step that is planned for.
struct Region {
  Digest base;
  std::vector<int> steps;  // in order
};

// Walks up from the dependencies, latest first, until what was visited and what is next to visit
// are connected completely: each visited step that depends on any of the next ones depends on all
// of them. Then all that the next ones and their ancestors wrote is ordered before all that was
// visited, and the base is the tree after the next ones. (Not when a path has ended on the way: a
// step without dependencies starts from the context.) A single next step always is such a place; so
// is a layer of steps that the next layer depends on as a whole.
Region FindRegion(const Build& build, const std::vector<int>& rank,
                  const std::vector<int>& dependencies) {
  Region region;
  region.base = build.context;
  std::priority_queue<int> next;  // ranks
  std::vector<bool> seen(build.steps.size());
  std::vector<bool> wanted(build.steps.size());  // by the step that is planned for
  std::vector<int> open(build.steps.size());     // of a visited step: dependencies in `next`
  size_t open_edges = dependencies.size();
  size_t open_steps = dependencies.empty() ? 0 : 1;
  size_t still_wanted = dependencies.size();
  bool reached_context = false;
  for (int dependency : dependencies) {
    wanted[dependency] = true;
    seen[dependency] = true;
    next.push(rank[dependency]);
  }
  while (!next.empty()) {
    if (!reached_context && open_steps * next.size() == open_edges) {
      // A visited step that depends on just these has their tree as its input.
      const Step* last = region.steps.empty() ? nullptr : &build.steps[region.steps.back()];
      if (next.size() == 1 && !TreeAfter(build.steps[build.order[next.top()]]).empty()) {
        region.base = TreeAfter(build.steps[build.order[next.top()]]);
        break;
      }
      if (last != nullptr && last->definition.dependencies.size() == next.size() &&
          open[region.steps.back()] == static_cast<int>(next.size()) && IsUpToDate(*last) &&
          !SettledInput(*last).empty()) {
        region.base = SettledInput(*last);
        break;
      }
    }
    const int index = build.order[next.top()];
    next.pop();
    const Step& step = build.steps[index];
    region.steps.push_back(index);
    for (int dependent : step.dependents) {
      if (open[dependent] == 0) continue;
      --open_edges;
      if (--open[dependent] == 0) --open_steps;
    }
    if (wanted[index]) {
      --open_edges;
      if (--still_wanted == 0) --open_steps;
    }
    const std::vector<int>& above = step.definition.dependencies;
    if (above.empty()) {
      reached_context = true;
      continue;
    }
    open[index] = static_cast<int>(above.size());
    open_edges += above.size();
    ++open_steps;
    for (int dependency : above) {
      if (seen[dependency]) continue;
      seen[dependency] = true;
      next.push(rank[dependency]);
    }
  }
  std::reverse(region.steps.begin(), region.steps.end());
  return region;
}

// Whether all steps of the region with a delta are ancestors of its last one, or it itself.
bool LastHoldsAll(const Build& build, const std::vector<bool>& in_region, int last,
                  size_t delta_count) {
  std::vector<bool> seen(build.steps.size());
  std::vector<int> open = {last};
  seen[last] = true;
  size_t found = 0;
  while (!open.empty()) {
    const Step& step = build.steps[open.back()];
    open.pop_back();
    if (HasDelta(step) && ++found == delta_count) return true;
    for (int dependency : step.definition.dependencies) {
      if (!in_region[dependency] || seen[dependency]) continue;
      seen[dependency] = true;
      open.push_back(dependency);
    }
  }
  return false;
}

// For each delta the positions of those that its step depends on. Steps without a delta hand on
// what is before them.
std::vector<std::vector<int>> FindBefore(const Build& build, const Region& region,
                                         const std::vector<int>& delta_steps) {
  std::vector<int> position(build.steps.size(), -1);
  for (size_t i = 0; i < delta_steps.size(); ++i) position[delta_steps[i]] = static_cast<int>(i);
  std::vector<std::vector<int>> before(delta_steps.size());
  std::map<int, std::vector<int>> handed_on;
  for (int index : region.steps) {
    std::vector<int> merged;
    for (int dependency : build.steps[index].definition.dependencies) {
      const int at = position[dependency];
      const std::vector<int>* inherited = nullptr;
      if (at >= 0) {
        inherited = &before[at];
      } else if (auto it = handed_on.find(dependency); it != handed_on.end()) {
        inherited = &it->second;
      }
      if (inherited != nullptr) merged.insert(merged.end(), inherited->begin(), inherited->end());
      if (at >= 0) merged.push_back(at);
      // Many dependencies with much in common: keep the scratch small.
      if (merged.size() > 2 * delta_steps.size()) {
        std::sort(merged.begin(), merged.end());
        merged.erase(std::unique(merged.begin(), merged.end()), merged.end());
      }
    }
    std::sort(merged.begin(), merged.end());
    merged.erase(std::unique(merged.begin(), merged.end()), merged.end());
    if (position[index] >= 0) {
      before[position[index]] = std::move(merged);
    } else if (!merged.empty()) {
      handed_on[index] = std::move(merged);
    }
  }
  return before;
}

}  // namespace

InputPlan PlanInput(const Build& build, const std::vector<int>& rank,
                    const std::vector<int>& dependencies) {
  InputPlan plan;
  // The common cases, without a walk.
  if (const Digest* tree = CommonTree(build, dependencies); tree != nullptr) {
    plan.base = *tree;
    return plan;
  }
  const std::vector<int> reduced = WithoutImplied(build, dependencies);
  if (const Digest* tree = CommonTree(build, reduced); tree != nullptr) {
    plan.base = *tree;
    return plan;
  }
  const Region region = FindRegion(build, rank, reduced);
  plan.base = region.base;
  std::vector<bool> in_region(build.steps.size());
  std::vector<int> delta_steps;
  for (int index : region.steps) {
    in_region[index] = true;
    if (HasDelta(build.steps[index])) delta_steps.push_back(index);
  }
  if (delta_steps.empty()) return plan;
  // A step's output holds the base too: nothing but paths through the base's step lead up from it,
  // or the base is the context.
  const Step& last = build.steps[delta_steps.back()];
  if (IsUpToDate(last) && LastHoldsAll(build, in_region, delta_steps.back(), delta_steps.size())) {
    plan.base = SettledOutput(last);
    return plan;
  }
  plan.before = FindBefore(build, region, delta_steps);
  for (int index : delta_steps) {
    const Step& step = build.steps[index];
    plan.deltas.push_back(
        {index, step.definition.spec.id, SettledInput(step), SettledOutput(step)});
  }
  return plan;
}

}  // namespace rally::core
