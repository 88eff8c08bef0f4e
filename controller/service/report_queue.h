#ifndef RALLY_CONTROLLER_SERVICE_REPORT_QUEUE_H_
#define RALLY_CONTROLLER_SERVICE_REPORT_QUEUE_H_

#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/event.h"
#include "controller/loop/loop.h"
#include "controller/worker_pool.h"

namespace rally::controller {

// Hands what one session reports to the loop, in the order in which it came. What refers to blobs
// waits until these are durable, since its acknowledgement promises them; what comes after it waits
// behind it.
//
// Ownership: everything in Parts must outlive it; it holds itself while a worker works for it.
// Threads: thread-safe. Blocking: never; syncing is the workers' work.
// Errors: after a failure nothing is taken any more, and `fail` was called once: a new session says
//   again what wasn't acknowledged.
class ReportQueue : public std::enable_shared_from_this<ReportQueue> {
 public:
  struct Parts {
    Loop* loop;
    WorkerPool* workers;
    // Whether all blobs stored so far survive a power loss, and what makes it so.
    std::function<bool()> blobs_are_durable;
    std::function<absl::Status()> sync_blobs;
  };
  using Fail = std::function<void(const absl::Status&)>;

  ReportQueue(const Parts& parts, Fail fail) : parts_(parts), fail_(std::move(fail)) {}

  void Add(core::Event event, bool refers_to_blobs) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Status AddLocked(core::Event event, bool refers_to_blobs)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SyncAndPost() ABSL_LOCKS_EXCLUDED(mutex_);
  void FailOnce(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  const Parts parts_;
  const Fail fail_;
  absl::Mutex mutex_;
  std::deque<core::Event> waiting_ ABSL_GUARDED_BY(mutex_);
  bool syncing_ ABSL_GUARDED_BY(mutex_) = false;  // a worker works for this queue
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_SERVICE_REPORT_QUEUE_H_
