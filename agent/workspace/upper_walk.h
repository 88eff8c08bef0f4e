#ifndef RALLY_AGENT_WORKSPACE_UPPER_WALK_H_
#define RALLY_AGENT_WORKSPACE_UPPER_WALK_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/runtime/call_limits.h"
#include "agent/workspace/upper_differences.h"
#include "common/blob/blob_key.h"
#include "common/blob/digest.h"
#include "common/blob/tree.h"

namespace rally::workspace {

// One entry of an upper directory, as it lies there.
struct UpperEntry {
  enum class Kind { kWhiteout, kSkipped, kFile, kSymlink, kDirectory };
  Kind kind = Kind::kWhiteout;
  std::string name;
  uint32_t mode = 0;
  absl::Time mtime;
  blob::Digest digest;  // Of a file.
  std::string target;   // Of a symlink.
  // Of a directory.
  bool opaque = false;
  std::string redirect;
  std::vector<std::unique_ptr<UpperEntry>> children;  // Sorted by name.
};

// Content and path of regular files. Of a large tree these are the longest list, so keys instead of
// digests, and no vector, which would be copied while it grows.
using CapturedFiles = std::deque<std::pair<blob::BlobKey, std::string>>;

// An upper directory as it was found.
struct UpperContents {
  std::unique_ptr<UpperEntry> root;
  // All that are in it, also those that the input tree has just so.
  CapturedFiles files;
  // All but those that need the input tree to be seen: special files.
  std::vector<UpperDifference> differences;
  // Lines for people: what can't be kept.
  std::vector<std::string> warnings;
};

// Reads an upper directory into memory and hashes its files, never what has come to a path since it
// was found. Large files are hashed only when all are known to fit into `limits`; `call` ends
// reading and hashing within moments. See CaptureDelta for errors.
absl::StatusOr<UpperContents> ReadUpper(int upper, const blob::TreeLimits& limits = {},
                                        const runtime::CallLimits& call = {});

// The path of a child; the root's path is "".
std::string JoinPath(const std::string& directory, const std::string& name);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_UPPER_WALK_H_
