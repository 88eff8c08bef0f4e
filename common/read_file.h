#ifndef RALLY_COMMON_READ_FILE_H_
#define RALLY_COMMON_READ_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace rally {

// The bytes of a file of any kind that can be read to its end, /proc's included. For files that
// somebody else may replace or end at any moment, such as those of another process: unlike a
// std::filebuf it never throws. Blocking.
// Errors: NotFound, PermissionDenied and others by the kernel's reason, naming the path;
// ResourceExhausted beyond `max_bytes`.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes = size_t{16} << 20);

}  // namespace rally

#endif  // RALLY_COMMON_READ_FILE_H_
