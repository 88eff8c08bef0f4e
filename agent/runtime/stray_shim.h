#ifndef RALLY_AGENT_RUNTIME_STRAY_SHIM_H_
#define RALLY_AGENT_RUNTIME_STRAY_SHIM_H_

#include <string>

#include "absl/status/status.h"

namespace rally::runtime {

// When a client dies while it creates a container, containerd 1.6 may forget the shim that it had
// started for it: no call reaches that any more, and it holds the container's first process and
// cgroup for ever. Ends such a shim with what it started, and removes the cgroups. Only for a
// container that has no task in containerd. None there is OK; Unavailable when it is still dying.
// Blocking: reads the command lines of all processes; up to a second when there is a shim.
absl::Status EndStrayShim(const std::string& containerd_namespace, const std::string& id);

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_STRAY_SHIM_H_
