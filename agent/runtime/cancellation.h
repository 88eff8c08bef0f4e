#ifndef RALLY_AGENT_RUNTIME_CANCELLATION_H_
#define RALLY_AGENT_RUNTIME_CANCELLATION_H_

#include <cstdint>
#include <functional>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace rally::runtime {

// A one-way switch by which one thread ends the blocking calls of others: the call returns
// kCancelled soon after Cancel(). It stops nothing by itself; whoever blocks subscribes.
// Ownership: owns the callbacks of live subscriptions, and must outlive them.
// Threads: thread-safe. Cancel() runs the callbacks in its own thread, under the lock, so that a
// Subscription's destructor returns only when its callback can't run any more: callbacks must be
// short and must not touch this object.
// Blocking: only while another thread's callbacks run.
class Cancellation {
 public:
  // Keeps a callback subscribed for as long as it lives.
  class Subscription {
   public:
    Subscription() = default;
    ~Subscription();
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

   private:
    friend class Cancellation;
    Cancellation* cancellation_ = nullptr;  // Outlives this.
    uint64_t key_ = 0;
  };

  Cancellation() = default;
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  // Later calls change nothing.
  void Cancel();
  bool IsCancelled() const;

  // Waits for Cancel(), at most `timeout`; returns IsCancelled().
  bool WaitFor(absl::Duration timeout) const;

  // Calls `callback` once, at Cancel(), or at once when that was already called.
  void Subscribe(std::function<void()> callback, Subscription* subscription);

 private:
  mutable absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_key_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, std::function<void()>> callbacks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_CANCELLATION_H_
