#include "agent/runtime/memory_kills.h"

#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"

namespace rally::runtime {

bool KernelKilledForMemory(const std::string& cgroup_path) {
  for (const std::string& file :
       {absl::StrCat("/sys/fs/cgroup/memory", cgroup_path, "/memory.oom_control"),
        absl::StrCat("/sys/fs/cgroup", cgroup_path, "/memory.events")}) {
    std::ifstream lines(file);
    std::string name;
    uint64_t count = 0;
    while (lines >> name >> count) {
      if (name == "oom_kill" && count > 0) return true;
    }
  }
  return false;
}

bool CanLimitSwap() {
  return access("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", F_OK) == 0 ||
         access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
}

}  // namespace rally::runtime
