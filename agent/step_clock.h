#ifndef RALLY_AGENT_STEP_CLOCK_H_
#define RALLY_AGENT_STEP_CLOCK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace rally::agent {

// Nanoseconds of CLOCK_BOOTTIME: the same for every process of one boot, going on while the host
// sleeps, and never set by anybody.
int64_t BootNanos();

// Calls back at times of the boot clock: what ends steps at their deadlines, whatever is done to
// the wall clock. It knows nothing of steps.
// Ownership: owns its thread. Threads: thread-safe; the callbacks run on its thread, one at a time,
// in the order of their times.
// Blocking: none of the methods; the destructor, while a callback runs. A callback delays the later
// ones, so it may block for a local call, but not for the network.
class StepClock {
 public:
  static absl::StatusOr<std::unique_ptr<StepClock>> Start();
  ~StepClock();
  StepClock(const StepClock&) = delete;
  StepClock& operator=(const StepClock&) = delete;

  // A time that is over is served at once. Callbacks that are still due when the clock is destroyed
  // are not called.
  void CallAt(int64_t boot_nanos, std::function<void()> callback) ABSL_LOCKS_EXCLUDED(mutex_);
  void CallAfter(absl::Duration delay, std::function<void()> callback);

 private:
  StepClock(int timer_fd, int wake_fd);
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::function<void()>> TakeDue() ABSL_LOCKS_EXCLUDED(mutex_);

  const int timer_fd_;
  const int wake_fd_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::multimap<int64_t, std::function<void()>> due_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_STEP_CLOCK_H_
