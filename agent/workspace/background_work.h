#ifndef RALLY_AGENT_WORKSPACE_BACKGROUND_WORK_H_
#define RALLY_AGENT_WORKSPACE_BACKGROUND_WORK_H_

#include <deque>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace rally::workspace {

// One thread that runs what a step shouldn't wait for, in order. At most kMaxQueued wait; more are
// refused, so only work that is merely late when it doesn't happen belongs here.
// Ownership: the destructor runs what is queued and joins. Threads: thread-safe.
class BackgroundWork {
 public:
  static constexpr size_t kMaxQueued = 256;

  BackgroundWork();
  ~BackgroundWork();
  BackgroundWork(const BackgroundWork&) = delete;
  BackgroundWork& operator=(const BackgroundWork&) = delete;

  // False when the queue is full.
  bool Add(std::function<void()> work);

  // What is added from now on, and the threads that it starts, have a low priority: it would take
  // the processor from what is waited for. Who waits for it after all, such as a step on a full
  // disk for an eviction, gets a tenth of a core that others want, too.
  void LowerPriority();

  // Blocks until everything added before is done. Not from the work itself.
  void WaitUntilIdle();

 private:
  void Run();

  absl::Mutex mutex_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_BACKGROUND_WORK_H_
