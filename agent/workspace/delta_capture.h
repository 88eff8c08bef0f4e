#ifndef RALLY_AGENT_WORKSPACE_DELTA_CAPTURE_H_
#define RALLY_AGENT_WORKSPACE_DELTA_CAPTURE_H_

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "agent/workspace/delta_counts.h"
#include "agent/workspace/upper_differences.h"
#include "common/blob/blob_key.h"
#include "common/blob/digest.h"
#include "common/blob/directory.h"
#include "common/blob/directory_reader.h"
#include "common/blob/tree.h"

namespace rally::workspace {

// Content and path of regular files. Of a large tree these are the longest list, so keys instead of
// digests, and no vector, which would be copied while it grows.
using CapturedFiles = std::deque<std::pair<blob::BlobKey, std::string>>;

// The tree that an unmounted overlay showed, as its upper directory tells it.
struct CapturedDelta {
  blob::Digest root;
  // The directories that are not in the input tree, or were changed: their messages' bytes.
  absl::flat_hash_map<blob::Digest, std::string> directories;
  // Regular files in the upper that differ from the input tree.
  CapturedFiles files;
  std::vector<UpperDifference> differences;
  DeltaCounts counts;
  // Lines for people: what could not be kept.
  std::vector<std::string> warnings;
};

// Reads an upper directory, never the whole tree: the cost is what changed, plus one message for
// each directory in which something did. Whiteouts, opaque marks and redirects are resolved against
// the input tree. What came back unchanged (a touch that was undone, a copied-up directory) keeps
// its node of the input tree. Leaves the upper as it is.
// `base` is the input tree; `reader` knows its directories.
// Errors: InvalidArgument (a name that isn't UTF-8, naming the path), ResourceExhausted (limits),
//   FailedPrecondition (someone still writes; an overlay of foreign make), those of the reader.
absl::StatusOr<CapturedDelta> CaptureDelta(int upper, const blob::Digest& base,
                                           blob::DirectoryReader& reader,
                                           const blob::TreeLimits& limits = {});

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_DELTA_CAPTURE_H_
