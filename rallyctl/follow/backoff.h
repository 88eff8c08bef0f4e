#ifndef RALLY_RALLYCTL_FOLLOW_BACKOFF_H_
#define RALLY_RALLYCTL_FOLLOW_BACKOFF_H_

#include "absl/time/time.h"

namespace rally::rallyctl {

// How long to wait before the next try: doubling from 50 ms to 2 s, up to a quarter shorter by
// chance, so that many clients of one restarted controller don't come back at the same moment.
class Backoff {
 public:
  absl::Duration Next();
  void Reset() { next_ = kFirst; }

 private:
  static constexpr absl::Duration kFirst = absl::Milliseconds(50);
  static constexpr absl::Duration kLongest = absl::Seconds(2);

  absl::Duration next_ = kFirst;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FOLLOW_BACKOFF_H_
