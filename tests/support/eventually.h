#ifndef RALLY_TESTS_SUPPORT_EVENTUALLY_H_
#define RALLY_TESTS_SUPPORT_EVENTUALLY_H_

#include "absl/functional/function_ref.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace rally::testing {

// Waits until `predicate` holds, for what another thread or process brings about. Returns whether
// it held before `timeout` was over. The only place in the tests that sleeps: a test names what it
// waits for, and is as fast as that.
inline bool Eventually(absl::Duration timeout, absl::FunctionRef<bool()> predicate) {
  const absl::Time deadline = absl::Now() + timeout;
  absl::Duration pause = absl::Microseconds(200);
  while (!predicate()) {
    if (absl::Now() >= deadline) return predicate();
    absl::SleepFor(pause);
    if (pause < absl::Milliseconds(10)) pause *= 2;
  }
  return true;
}

}  // namespace rally::testing

#endif  // RALLY_TESTS_SUPPORT_EVENTUALLY_H_
