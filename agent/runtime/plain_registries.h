#ifndef RALLY_AGENT_RUNTIME_PLAIN_REGISTRIES_H_
#define RALLY_AGENT_RUNTIME_PLAIN_REGISTRIES_H_

#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace rally::runtime {

// Which registries on loopback turned out to speak plain http. Asking each of them for TLS first
// costs every resolved tag the making of a TLS context, some ten milliseconds.
//
// Threads: thread-safe.
class PlainRegistries {
 public:
  bool Contains(const std::string& host) const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return hosts_.count(host) > 0;
  }
  void Add(const std::string& host) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    hosts_.insert(host);
  }
  // Something else may listen there by now: it is asked for TLS again.
  void Remove(const std::string& host) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    hosts_.erase(host);
  }

 private:
  mutable absl::Mutex mutex_;
  std::set<std::string> hosts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_PLAIN_REGISTRIES_H_
