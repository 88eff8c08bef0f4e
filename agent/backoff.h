#ifndef RALLY_AGENT_BACKOFF_H_
#define RALLY_AGENT_BACKOFF_H_

#include <algorithm>

#include "absl/random/random.h"
#include "absl/time/time.h"

namespace rally::agent {

// How long to wait before the next try to reach somebody: growing, and random in full, so that a
// fleet that lost its controller doesn't come back all at once. Not thread-safe.
class Backoff {
 public:
  Backoff(absl::Duration first, absl::Duration longest) : first_(first), longest_(longest) {}

  absl::Duration Next() {
    const absl::Duration ceiling = std::min(first_ * (1 << std::min(failures_, 16)), longest_);
    ++failures_;
    return ceiling * absl::Uniform(random_, 0.0, 1.0);
  }
  void Reset() { failures_ = 0; }
  int failures() const { return failures_; }

 private:
  const absl::Duration first_;
  const absl::Duration longest_;
  int failures_ = 0;
  absl::BitGen random_;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_BACKOFF_H_
