#include "rallyctl/follow/backoff.h"

#include <algorithm>

#include "absl/random/random.h"

namespace rally::rallyctl {

absl::Duration Backoff::Next() {
  const absl::Duration wait = next_;
  next_ = std::min(next_ * 2, kLongest);
  absl::InsecureBitGen random;
  return wait * absl::Uniform(random, 0.75, 1.0);
}

}  // namespace rally::rallyctl
