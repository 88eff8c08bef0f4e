#ifndef RALLY_CONTROLLER_WORKER_POOL_H_
#define RALLY_CONTROLLER_WORKER_POOL_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace rally::controller {

// A few threads for work that waits for disks, so that neither gRPC's threads (which serve
// heartbeats) nor the loop's do. It keeps no order between jobs.
//
// Ownership: what the jobs refer to must outlive the pool, or Stop.
// Threads: thread-safe. Blocking: Stop, which the destructor calls: it drops what has not begun and
//   waits for what has.
class WorkerPool {
 public:
  WorkerPool(int threads, size_t queue_limit);
  ~WorkerPool() { Stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Jobs given from now on are dropped.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // False when too much waits already, or the pool is stopping: the job is not taken.
  bool TryPost(std::function<void()> job) ABSL_LOCKS_EXCLUDED(mutex_);
  // For work whose number something else bounds: one for a live step, or the next part of what was
  // taken before.
  void Post(std::function<void()> job) ABSL_LOCKS_EXCLUDED(mutex_);

  // Does both, and returns then: `other` on one of the threads meanwhile if one is free by the time
  // that `own` is done, else after it. So a thread of the pool may call it.
  void RunBoth(const std::function<void()>& own, std::function<void()> other)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run();

  const size_t queue_limit_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_WORKER_POOL_H_
