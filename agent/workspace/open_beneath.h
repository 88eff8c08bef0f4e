#ifndef RALLY_AGENT_WORKSPACE_OPEN_BENEATH_H_
#define RALLY_AGENT_WORKSPACE_OPEN_BENEATH_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/workspace/file_descriptor.h"

namespace rally::workspace {

// Opens a path that a step may have made, relative to a directory, without ever following a
// symlink or leaving the directory. The path may be longer than PATH_MAX. "" is the directory.
absl::StatusOr<FileDescriptor> OpenBeneath(int directory, absl::string_view path, int flags);

// Opens what an O_PATH descriptor names, itself, whatever has happened to its path.
absl::StatusOr<FileDescriptor> Reopen(int fd, int flags);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_OPEN_BENEATH_H_
