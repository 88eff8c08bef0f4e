#ifndef RALLY_AGENT_CONTROLLER_CONTACT_H_
#define RALLY_AGENT_CONTROLLER_CONTACT_H_

#include <atomic>
#include <cstdint>

namespace rally::agent {

// Since when the controller may believe that it hasn't heard of this agent: the boot time at which
// the last Hello or heartbeat that was answered had been sent. Its answer comes later, and counts
// for nothing. Threads: thread-safe; nothing blocks.
class ControllerContact {
 public:
  void HeardAt(int64_t boot_nanos) {
    int64_t known = boot_nanos_;
    while (known < boot_nanos && !boot_nanos_.compare_exchange_weak(known, boot_nanos)) {
    }
  }
  // 0 before the first.
  int64_t boot_nanos() const { return boot_nanos_; }

 private:
  std::atomic<int64_t> boot_nanos_{0};
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_CONTROLLER_CONTACT_H_
