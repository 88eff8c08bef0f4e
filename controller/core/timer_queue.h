#ifndef RALLY_CONTROLLER_CORE_TIMER_QUEUE_H_
#define RALLY_CONTROLLER_CORE_TIMER_QUEUE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/time/time.h"

namespace rally::core {

// What waits for time: a step's attempt, a build's total clock, an agent's rest, or the settling
// after a restart. Each has one deadline at most.
struct TimerKey {
  int64_t build = -1;  // -1: not about a build
  int step = -1;       // -1: the build's total clock
  std::string agent;

  friend bool operator<(const TimerKey& a, const TimerKey& b) {
    return std::tie(a.build, a.step, a.agent) < std::tie(b.build, b.step, b.agent);
  }
};

// Deadlines in order. It tells no time itself.
class TimerQueue {
 public:
  void Arm(const TimerKey& key, absl::Time deadline) {
    Disarm(key);
    if (deadline == absl::InfiniteFuture()) return;
    armed_[key] = deadline;
    queue_.emplace(deadline, key);
  }

  void Disarm(const TimerKey& key) {
    auto it = armed_.find(key);
    if (it == armed_.end()) return;
    queue_.erase({it->second, key});
    armed_.erase(it);
  }

  absl::Time Next() const {
    return queue_.empty() ? absl::InfiniteFuture() : queue_.begin()->first;
  }

  // Takes out the first that is due. One at a time: what is done about it may change the others.
  std::optional<TimerKey> TakeDue(absl::Time now) {
    if (queue_.empty() || queue_.begin()->first > now) return std::nullopt;
    TimerKey key = queue_.begin()->second;
    armed_.erase(key);
    queue_.erase(queue_.begin());
    return key;
  }

  const std::set<std::pair<absl::Time, TimerKey>>& queue() const { return queue_; }

 private:
  std::map<TimerKey, absl::Time> armed_;
  std::set<std::pair<absl::Time, TimerKey>> queue_;
};

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_TIMER_QUEUE_H_
