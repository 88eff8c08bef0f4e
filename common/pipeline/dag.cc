#include "common/pipeline/dag.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <queue>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rally::pipeline {

absl::StatusOr<std::vector<int>> TopologicalOrder(DependencyLists dependencies) {
  const int count = static_cast<int>(dependencies.size());
  // Of each node: how many it still waits for, and where those that wait for it begin in
  // `dependents`, which end where the next node's begin.
  std::vector<int> missing(count, 0);
  std::vector<size_t> begin(count + 1, 0);
  for (int node = 0; node < count; ++node) {
    for (const int dependency : dependencies[node]) {
      if (dependency < 0 || dependency >= count) {
        return absl::InvalidArgumentError(
            absl::StrCat("node ", node, " waits for ", dependency, ", which is not a node"));
      }
      ++begin[dependency];
      ++missing[node];
    }
  }
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<int> dependents(begin.back());
  for (int node = count - 1; node >= 0; --node) {
    for (const int dependency : dependencies[node]) dependents[--begin[dependency]] = node;
  }
  std::priority_queue<int, std::vector<int>, std::greater<int>> ready;
  for (int node = 0; node < count; ++node) {
    if (missing[node] == 0) ready.push(node);
  }
  std::vector<int> order;
  order.reserve(count);
  while (!ready.empty()) {
    const int node = ready.top();
    ready.pop();
    order.push_back(node);
    for (size_t i = begin[node]; i < begin[node + 1]; ++i) {
      if (--missing[dependents[i]] == 0) ready.push(dependents[i]);
    }
  }
  if (static_cast<int>(order.size()) != count) {
    return absl::FailedPreconditionError(
        absl::StrCat(count - order.size(), " of ", count, " nodes are in or behind a cycle"));
  }
  return order;
}

namespace {

// The strongly connected component of each node (Tarjan's algorithm with a stack of its own, as a
// chain of 20,000 steps would overflow the call stack).
std::vector<int> Components(DependencyLists dependencies) {
  const int count = static_cast<int>(dependencies.size());
  constexpr int kUnseen = -1;
  std::vector<int> index(count, kUnseen), low(count, 0), component(count, kUnseen);
  std::vector<int> open;  // Seen, and not yet in a component.
  struct Frame {
    int node;
    size_t next_dependency;
  };
  std::vector<Frame> frames;
  int next_index = 0;
  int next_component = 0;
  for (int root = 0; root < count; ++root) {
    if (index[root] != kUnseen) continue;
    frames.push_back({root, 0});
    while (!frames.empty()) {
      Frame& frame = frames.back();
      const int node = frame.node;
      if (frame.next_dependency == 0) {
        index[node] = low[node] = next_index++;
        open.push_back(node);
      }
      if (frame.next_dependency < dependencies[node].size()) {
        const int dependency = dependencies[node][frame.next_dependency++];
        if (index[dependency] == kUnseen) {
          frames.push_back({dependency, 0});
        } else if (component[dependency] == kUnseen) {
          low[node] = std::min(low[node], index[dependency]);
        }
        continue;
      }
      if (low[node] == index[node]) {
        int member;
        do {
          member = open.back();
          open.pop_back();
          component[member] = next_component;
        } while (member != node);
        ++next_component;
      }
      frames.pop_back();
      if (!frames.empty()) low[frames.back().node] = std::min(low[frames.back().node], low[node]);
    }
  }
  return component;
}

// A shortest way from `start` along dependencies back to `start`, inside its component; empty when
// there is none.
std::vector<int> ShortestCycle(DependencyLists dependencies, const std::vector<int>& component,
                               int start, std::vector<int>* came_from) {
  std::queue<int> queue;
  queue.push(start);
  while (!queue.empty()) {
    const int node = queue.front();
    queue.pop();
    for (const int dependency : dependencies[node]) {
      if (dependency == start) {
        std::vector<int> cycle;
        for (int at = node; at != start; at = (*came_from)[at]) cycle.push_back(at);
        cycle.push_back(start);
        std::reverse(cycle.begin(), cycle.end());
        return cycle;
      }
      if (component[dependency] != component[start] || (*came_from)[dependency] >= 0) continue;
      (*came_from)[dependency] = node;
      queue.push(dependency);
    }
  }
  return {};
}

}  // namespace

std::vector<std::vector<int>> FindCycles(DependencyLists dependencies) {
  const std::vector<int> component = Components(dependencies);
  std::vector<bool> component_done(dependencies.size(), false);
  std::vector<int> came_from(dependencies.size(), -1);
  std::vector<std::vector<int>> cycles;
  for (int node = 0; node < static_cast<int>(dependencies.size()); ++node) {
    if (component_done[component[node]]) continue;
    component_done[component[node]] = true;
    std::vector<int> cycle = ShortestCycle(dependencies, component, node, &came_from);
    if (!cycle.empty()) cycles.push_back(std::move(cycle));
  }
  return cycles;
}

std::vector<Edge> CanonicalEdges(DependencyLists dependencies) {
  std::vector<Edge> edges;
  for (int node = 0; node < static_cast<int>(dependencies.size()); ++node) {
    if (dependencies[node].empty()) edges.push_back({Edge::kRoot, node});
    for (const int dependency : dependencies[node]) edges.push_back({dependency, node});
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) {
    return std::tie(a.from, a.to) < std::tie(b.from, b.to);
  });
  return edges;
}

std::string EdgeListText(absl::Span<const Edge> edges,
                         absl::FunctionRef<absl::string_view(int)> name) {
  std::string text;
  for (const Edge& edge : edges) {
    absl::StrAppend(&text, edge.from == Edge::kRoot ? "root" : name(edge.from), " ", name(edge.to),
                    "\n");
  }
  return text;
}

Ancestry::Ancestry(std::vector<std::vector<int>> dependencies, std::vector<int> order)
    : dependencies_(std::move(dependencies)), order_(std::move(order)), position_(order_.size()) {
  for (int i = 0; i < static_cast<int>(order_.size()); ++i) position_[order_[i]] = i;
}

std::vector<bool> Ancestry::MarkBackwards(int position, int lowest) const {
  std::vector<bool> marked(position + 1, false);
  marked[position] = true;
  // Dependencies always have a smaller position, so one pass backwards meets each node after all
  // that could mark it.
  for (int at = position; at > lowest; --at) {
    if (!marked[at]) continue;
    for (const int dependency : dependencies_[order_[at]]) marked[position_[dependency]] = true;
  }
  return marked;
}

std::vector<int> Ancestry::AncestorsOf(int node) const {
  const int position = position_[node];
  const std::vector<bool> marked = MarkBackwards(position, 0);
  std::vector<int> ancestors;
  for (int at = 0; at < position; ++at) {
    if (marked[at]) ancestors.push_back(order_[at]);
  }
  return ancestors;
}

bool Ancestry::IsAncestor(int earlier, int later) const {
  const int lowest = position_[earlier];
  const int position = position_[later];
  if (lowest >= position) return false;
  return MarkBackwards(position, lowest)[lowest];
}

}  // namespace rally::pipeline
