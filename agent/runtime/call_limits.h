#ifndef RALLY_AGENT_RUNTIME_CALL_LIMITS_H_
#define RALLY_AGENT_RUNTIME_CALL_LIMITS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/runtime/cancellation.h"

namespace rally::runtime {

// When a blocking call gives up. An absl::Time converts to it, for calls that nobody cancels.
struct CallLimits {
  CallLimits(absl::Time deadline = absl::InfiniteFuture(),  // NOLINT: converts on purpose.
             Cancellation* cancellation = nullptr)
      : deadline(deadline), cancellation(cancellation) {}

  absl::Time deadline;         // The call then fails with kDeadlineExceeded.
  Cancellation* cancellation;  // May be null; outlives the call, which then fails with kCancelled.
};

// kCancelled or kDeadlineExceeded when `limits` are spent, for the gaps between blocking calls.
// `what` says what was being done.
absl::Status CheckLimits(const CallLimits& limits, absl::string_view what);

// Waits for `duration`, less when the limits end it.
void Pause(absl::Duration duration, const CallLimits& limits);

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_CALL_LIMITS_H_
