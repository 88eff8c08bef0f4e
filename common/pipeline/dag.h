#ifndef RALLY_COMMON_PIPELINE_DAG_H_
#define RALLY_COMMON_PIPELINE_DAG_H_

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rally::pipeline {

// The graph functions work on plain numbers: node i waits for all of dependencies[i]. Node numbers
// are positions in the file, so "smaller" means "earlier in the file".
using DependencyLists = absl::Span<const std::vector<int>>;

// Repeatedly takes the smallest node whose dependencies are all out. O((n + e) log n).
// InvalidArgument when a dependency is not a node, FailedPrecondition when there is a cycle.
absl::StatusOr<std::vector<int>> TopologicalOrder(DependencyLists dependencies);

// One cycle for each group of nodes that wait for each other (a strongly connected component): a
// shortest one through the group's smallest node, which comes first. Each node waits for the next,
// the last for the first. A node that waits for itself is a cycle of one. Dependencies must be
// nodes. O(n + e), and doesn't recurse.
std::vector<std::vector<int>> FindCycles(DependencyLists dependencies);

// An edge from a node to one that waits for it.
struct Edge {
  // The `from` of a node that waits for nothing.
  static constexpr int kRoot = -1;
  int from = kRoot;
  int to = 0;
};

// All edges by (from, to), those from the root first.
std::vector<Edge> CanonicalEdges(DependencyLists dependencies);

// The edges as text, "FROM TO\n" each, "root" for the root: the input of the graph's digest. Equal
// texts mean equal graphs, because names hold neither blanks nor newlines.
std::string EdgeListText(absl::Span<const Edge> edges,
                         absl::FunctionRef<absl::string_view(int)> name);

// Who comes before whom, transitively, in a graph without cycles.
//
// It doesn't keep the closure (20,000 steps in a chain have 200 million pairs), but answers each
// question by one pass over what lies before the node: O(nodes and edges before it).
// Ownership: owns copies. Threads: may be read by several at once.
class Ancestry {
 public:
  // `order` is TopologicalOrder(dependencies).
  Ancestry(std::vector<std::vector<int>> dependencies, std::vector<int> order);

  // All nodes that `node` waits for, directly or not, in topological order; without itself.
  std::vector<int> AncestorsOf(int node) const;

  // Whether `later` waits for `earlier`, directly or not.
  bool IsAncestor(int earlier, int later) const;

  // Whether the graph says which of two nodes comes first.
  bool AreOrdered(int a, int b) const { return IsAncestor(a, b) || IsAncestor(b, a); }

 private:
  // Marks, by position, the node at `position` and its ancestors at `lowest` or later.
  std::vector<bool> MarkBackwards(int position, int lowest) const;

  std::vector<std::vector<int>> dependencies_;
  std::vector<int> order_;
  std::vector<int> position_;  // The inverse of order_.
};

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_DAG_H_
