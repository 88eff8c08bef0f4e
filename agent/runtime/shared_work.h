#ifndef RALLY_AGENT_RUNTIME_SHARED_WORK_H_
#define RALLY_AGENT_RUNTIME_SHARED_WORK_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "agent/runtime/call_limits.h"
#include "agent/runtime/container_runtime.h"

namespace rally::runtime {

// Lets callers who want the same image at the same time do the work once: the first does it, in its
// own thread and within its own limits; the others wait for the result within theirs. When the
// first gives up because of its own limits, another takes over. Threads: thread-safe. Blocking:
// Do(), as long as the work, or until the caller's limits.
class SharedWork {
 public:
  using Work = std::function<absl::StatusOr<Image>()>;

  absl::StatusOr<Image> Do(const std::string& key, const CallLimits& limits, const Work& work);

 private:
  struct Flight;

  // kAborted: whoever did the work gave up for reasons of its own.
  absl::StatusOr<Image> WaitFor(Flight& flight, const CallLimits& limits);

  absl::Mutex mutex_;
  // Shared with those who wait, who may outlast the entry.
  std::map<std::string, std::shared_ptr<Flight>> flights_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_SHARED_WORK_H_
