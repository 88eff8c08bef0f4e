#ifndef RALLY_AGENT_WORKSPACE_DIRECTORY_LOCK_H_
#define RALLY_AGENT_WORKSPACE_DIRECTORY_LOCK_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/file_descriptor.h"

namespace rally::workspace {

// Takes the store's directory for this process, until the descriptor is closed. FailedPrecondition
// when another process has it. A POSIX lock belongs to the process, not to the descriptor: what the
// agent forks doesn't keep it.
absl::StatusOr<FileDescriptor> LockDirectory(const std::string& directory);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_DIRECTORY_LOCK_H_
