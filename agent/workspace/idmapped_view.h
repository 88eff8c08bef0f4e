#ifndef RALLY_AGENT_WORKSPACE_IDMAPPED_VIEW_H_
#define RALLY_AGENT_WORKSPACE_IDMAPPED_VIEW_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace rally::workspace {

// Mounts a second view of `directory` at `target` (which exists), where root and uid (and root's
// group and gid) have changed places: what lies on disk as root's belongs to the user there, and
// what the user writes there lands on disk as root's. All other owners stay. The view is private
// and doesn't contain mounts below `directory`. FailedPrecondition where the kernel or the
// filesystem has no idmapped mounts.
absl::Status MountSwappedView(const std::string& directory, const std::string& target, uint32_t uid,
                              uint32_t gid);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_IDMAPPED_VIEW_H_
