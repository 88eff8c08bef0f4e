#ifndef RALLY_CONTROLLER_BLOB_DISK_THREADS_H_
#define RALLY_CONTROLLER_BLOB_DISK_THREADS_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace rally::cas {

// Threads that do the blob service's disk work, so that gRPC's own threads never wait for a disk:
// heartbeats are served by them too.
//
// Ownership: whatever the work refers to must outlive the pool; the destructor finishes all work.
// Threads: thread-safe. Blocking: only the destructor.
class DiskThreads {
 public:
  // TrySchedule refuses when max_queued pieces of work wait already.
  DiskThreads(int threads, int max_queued);
  ~DiskThreads();
  DiskThreads(const DiskThreads&) = delete;
  DiskThreads& operator=(const DiskThreads&) = delete;

  // For new work: false means that there is too much of it, and that it was not taken.
  bool TrySchedule(std::function<void()> work);

  // For the next part of work that was taken before. There is one part a stream at a time, so the
  // number of streams bounds it.
  void Schedule(std::function<void()> work);

 private:
  void Run();

  const int max_queued_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_DISK_THREADS_H_
