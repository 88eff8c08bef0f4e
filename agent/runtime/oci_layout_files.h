#ifndef RALLY_AGENT_RUNTIME_OCI_LAYOUT_FILES_H_
#define RALLY_AGENT_RUNTIME_OCI_LAYOUT_FILES_H_

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/runtime/oci_layout_source.h"

namespace rally::runtime {

// Reads the next piece of a file; empty at its end.
using PieceReader = std::function<absl::StatusOr<absl::string_view>()>;

// The files of a layout by their names in it ("index.json", "blobs/sha256/..."). Not thread-safe.
class OciLayoutSource::Files {
 public:
  virtual ~Files() = default;

  // Calls `visit` once for each of `names` that is there, in any order; the reader is good until it
  // returns. The first failure ends it. What wasn't visited isn't there.
  virtual absl::Status Visit(const std::set<std::string>& names,
                             const std::function<absl::Status(const std::string& name,
                                                              const PieceReader& read)>& visit) = 0;

  // A layout directory or a tar at `path` beneath `root_fd`.
  static absl::StatusOr<std::unique_ptr<Files>> Open(int root_fd, const std::string& path);
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_OCI_LAYOUT_FILES_H_
