#include "agent/runtime/shared_work.h"

#include <utility>

namespace rally::runtime {

struct SharedWork::Flight {
  absl::Mutex mutex;
  bool landed ABSL_GUARDED_BY(mutex) = false;
  absl::StatusOr<Image> result ABSL_GUARDED_BY(mutex) = absl::UnknownError("");
};

absl::StatusOr<Image> SharedWork::Do(const std::string& key, const CallLimits& limits,
                                     const Work& work) {
  while (true) {
    if (absl::Status spent = CheckLimits(limits, key); !spent.ok()) return spent;
    std::shared_ptr<Flight> flight;
    bool mine = false;
    {
      absl::MutexLock lock(&mutex_);
      std::shared_ptr<Flight>& entry = flights_[key];
      mine = entry == nullptr;
      if (mine) entry = std::make_shared<Flight>();
      flight = entry;
    }
    if (!mine) {
      absl::StatusOr<Image> result = WaitFor(*flight, limits);
      if (absl::IsAborted(result.status())) continue;
      return result;
    }
    absl::StatusOr<Image> result = work();
    {
      absl::MutexLock lock(&mutex_);
      flights_.erase(key);
    }
    absl::MutexLock lock(&flight->mutex);
    const bool gave_up = !CheckLimits(limits, key).ok() && !result.ok();
    flight->result = gave_up ? absl::AbortedError(key) : result;
    flight->landed = true;
    return result;
  }
}

absl::StatusOr<Image> SharedWork::WaitFor(Flight& flight, const CallLimits& limits) {
  struct {
    Flight* flight;
    bool cancelled = false;  // Guarded by the flight's mutex.
  } waiting{&flight};
  Cancellation::Subscription subscription;
  if (limits.cancellation != nullptr) {
    limits.cancellation->Subscribe(
        [&waiting] {
          absl::MutexLock lock(&waiting.flight->mutex);
          waiting.cancelled = true;
        },
        &subscription);
  }
  absl::MutexLock lock(&flight.mutex);
  const auto done = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(flight.mutex) {
    return flight.landed || waiting.cancelled;
  };
  flight.mutex.AwaitWithDeadline(absl::Condition(&done), limits.deadline);
  if (flight.landed) return flight.result;
  return waiting.cancelled ? absl::CancelledError("waiting for another pull: cancelled")
                           : absl::DeadlineExceededError("waiting for another pull: out of time");
}

}  // namespace rally::runtime
