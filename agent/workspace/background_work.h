#ifndef RALLY_AGENT_WORKSPACE_BACKGROUND_WORK_H_
#define RALLY_AGENT_WORKSPACE_BACKGROUND_WORK_H_

#include <deque>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace rally::workspace {

// One thread of low priority that runs what a step shouldn't wait for, in order. At most kMaxQueued
// wait; more are refused, so only work that is merely late when it doesn't happen belongs here.
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
