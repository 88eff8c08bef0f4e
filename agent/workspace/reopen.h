#ifndef RALLY_AGENT_WORKSPACE_REOPEN_H_
#define RALLY_AGENT_WORKSPACE_REOPEN_H_

#include "absl/status/statusor.h"
#include "common/file_descriptor.h"

namespace rally::workspace {

// Opens what an O_PATH descriptor names, itself, whatever has happened to its path.
absl::StatusOr<FileDescriptor> Reopen(int fd, int flags);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_REOPEN_H_
