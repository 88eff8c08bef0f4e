#ifndef RALLY_AGENT_WORKSPACE_UPPER_DIFFERENCES_H_
#define RALLY_AGENT_WORKSPACE_UPPER_DIFFERENCES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rally::workspace {

// Something in an upper directory that the captured tree doesn't have.
struct UpperDifference {
  enum class Kind {
    kSpecialFile,  // A socket, fifo or device.
    kShadowing,    // The same, where the input tree has an entry, which it hides.
    kHardLink,     // A file with another name, which there is a file of its own.
    kOwner,        // Not root's.
    kMode,         // Setuid, setgid or sticky.
    kAttributes,   // Extended attributes.
  };
  Kind kind;
  std::string path;
};

// Changes the upper so that, as a layer over the input tree's, it gives exactly the captured tree.
absl::Status RemoveDifferences(int upper, const std::vector<UpperDifference>& differences);

// The names of a file's extended attributes. `path` is for the message of an error.
absl::StatusOr<std::vector<std::string>> ListAttributes(int fd, const std::string& path);

// Attributes that overlayfs writes, and labels that the host's security modules put on every file:
// neither comes from the step.
bool IsOverlayAttribute(absl::string_view name);
bool IsHostLabel(absl::string_view name);

// A status from errno about a path of the workspace, which may have any bytes in it.
absl::Status WorkspaceErrno(const char* what, const std::string& path);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_UPPER_DIFFERENCES_H_
