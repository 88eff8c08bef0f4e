#ifndef RALLY_AGENT_WORKSPACE_DELTA_CAPTURE_H_
#define RALLY_AGENT_WORKSPACE_DELTA_CAPTURE_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "agent/workspace/delta_counts.h"
#include "agent/workspace/upper_differences.h"
#include "agent/workspace/upper_walk.h"
#include "common/blob/digest.h"
#include "common/blob/directory.h"
#include "common/blob/directory_reader.h"
#include "common/blob/tree.h"

namespace rally::workspace {

// The tree that an unmounted overlay showed, as its upper directory tells it.
struct CapturedDelta {
  blob::Digest root;
  // The directories that are not in the input tree, or were changed: their messages' bytes.
  absl::flat_hash_map<blob::Digest, std::string> directories;
  std::vector<UpperDifference> differences;
  DeltaCounts counts;
  // Lines for people: what could not be kept.
  std::vector<std::string> warnings;
};

// Makes a tree of what is in an upper directory, never reading the whole tree: the cost is what
// changed, plus one message for each directory in which something did. Whiteouts, opaque marks and
// redirects are resolved against the input tree. What came back unchanged (a touch that was undone,
// a copied-up directory) keeps its node of the input tree. Takes all out of `upper` but its files,
// which others may read meanwhile. `base` is the input tree; `reader` knows its directories.
// Errors: InvalidArgument (a name that isn't UTF-8, naming the path), ResourceExhausted (limits),
//   FailedPrecondition (someone still writes; an overlay of foreign make), those of the reader.
absl::StatusOr<CapturedDelta> CaptureDelta(UpperContents& upper, const blob::Digest& base,
                                           blob::DirectoryReader& reader,
                                           const blob::TreeLimits& limits = {});

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_DELTA_CAPTURE_H_
