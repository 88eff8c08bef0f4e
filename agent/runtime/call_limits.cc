#include "agent/runtime/call_limits.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace rally::runtime {

absl::Status CheckLimits(const CallLimits& limits, absl::string_view what) {
  if (limits.cancellation != nullptr && limits.cancellation->IsCancelled()) {
    return absl::CancelledError(absl::StrCat(what, ": cancelled"));
  }
  if (absl::Now() >= limits.deadline) {
    return absl::DeadlineExceededError(absl::StrCat(what, ": out of time"));
  }
  return absl::OkStatus();
}

void Pause(absl::Duration duration, const CallLimits& limits) {
  const absl::Duration left = std::min(duration, limits.deadline - absl::Now());
  if (limits.cancellation != nullptr) {
    limits.cancellation->WaitFor(left);
  } else {
    absl::SleepFor(left);
  }
}

}  // namespace rally::runtime
