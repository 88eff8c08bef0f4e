#ifndef RALLY_AGENT_WORKSPACE_ATTEMPT_LOCKS_H_
#define RALLY_AGENT_WORKSPACE_ATTEMPT_LOCKS_H_

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"

namespace rally::workspace {

// Lets one thread at a time work on an attempt, without a mutex that is held over I/O.
// Ownership: must outlive its Holds. Threads: thread-safe. Blocking: Hold, until it is its turn.
class AttemptLocks {
 public:
  class Hold {
   public:
    Hold(AttemptLocks& locks, std::string attempt) : locks_(locks), attempt_(std::move(attempt)) {
      locks_.Lock(attempt_);
    }
    ~Hold() { locks_.Unlock(attempt_); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    AttemptLocks& locks_;
    const std::string attempt_;
  };

 private:
  void Lock(const std::string& attempt) {
    absl::MutexLock lock(&mutex_);
    const auto free = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !held_.contains(attempt); };
    mutex_.Await(absl::Condition(&free));
    held_.insert(attempt);
  }
  void Unlock(const std::string& attempt) {
    absl::MutexLock lock(&mutex_);
    held_.erase(attempt);
  }

  absl::Mutex mutex_;
  absl::flat_hash_set<std::string> held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_ATTEMPT_LOCKS_H_
