#ifndef RALLY_RALLYCTL_TREES_TREE_CHANGES_H_
#define RALLY_RALLYCTL_TREES_TREE_CHANGES_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/blob/delta.h"
#include "common/blob/delta_walk.h"
#include "common/blob/directory_reader.h"
#include "rally/v1/build.pb.h"
#include "rallyctl/trees/build_trees.h"

// How trees and builds differ. Equal directories are never read; what differs is told one entry at
// a time, so that memory doesn't grow with it unless it says so.
namespace rally::rallyctl {

using OnChange = std::function<void(const blob::DeltaEntry&)>;

// What turns one tree into the other, in the order of paths; "." is the root, of which the mode can
// change.
absl::Status ForEachChange(blob::DirectoryReader& reader, const blob::Digest& before,
                           const blob::Digest& after, const OnChange& on_change);

// The same for what other than the times of files differs.
absl::Status ForEachContentChange(blob::DirectoryReader& reader, const blob::Digest& before,
                                  const blob::Digest& after, const OnChange& on_change);

// Where two builds part: the first step, in their order, that made a difference that wasn't there
// in what it was given.
struct Parting {
  std::string step;     // "": none
  std::string outcome;  // How it ended in each, when that differs; or that only one has it.
  // Its trees in both builds, when both have them.
  bool has_trees = false;
  StepTrees first;
  StepTrees second;
};
absl::StatusOr<Parting> FindParting(blob::DirectoryReader& reader, const v1::Build& first,
                                    const v1::Build& second);

// The differences that the step made. Memory grows with how much its inputs differ.
absl::Status ForEachNewDifference(blob::DirectoryReader& reader, const StepTrees& first,
                                  const StepTrees& second, const OnChange& on_change);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_TREES_TREE_CHANGES_H_
