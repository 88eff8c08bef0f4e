#ifndef RALLY_COMMON_BLOB_RUN_IN_PARALLEL_H_
#define RALLY_COMMON_BLOB_RUN_IN_PARALLEL_H_

#include <cstddef>
#include <functional>

#include "absl/status/status.h"

namespace rally::blob {

// Calls run(0) to run(count - 1) on up to `threads` threads, this one included, and returns when
// all are done. After the first error, which is returned, no more are started.
absl::Status RunInParallel(size_t count, int threads,
                           const std::function<absl::Status(size_t)>& run);

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_RUN_IN_PARALLEL_H_
