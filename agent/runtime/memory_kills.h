#ifndef RALLY_AGENT_RUNTIME_MEMORY_KILLS_H_
#define RALLY_AGENT_RUNTIME_MEMORY_KILLS_H_

#include <string>

namespace rally::runtime {

// Whether the kernel killed a process of the cgroup for memory, by the cgroup's own counter, which
// stays until the cgroup is removed: unlike containerd's events it can't be missed. `cgroup_path`
// is absolute within the hierarchy ("/rally/ID"); either version of cgroups. False when it can't be
// told.
bool KernelKilledForMemory(const std::string& cgroup_path);

// Whether this kernel can limit swap by cgroup.
bool CanLimitSwap();

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_MEMORY_KILLS_H_
