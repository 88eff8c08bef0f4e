#ifndef RALLY_CONTROLLER_BLOB_FORWARD_FORWARDED_NAME_H_
#define RALLY_CONTROLLER_BLOB_FORWARD_FORWARDED_NAME_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rally::cas {

// A ByteStream resource name with `instance` in place of the client's. InvalidArgument, saying why,
// for what is no such name.
absl::StatusOr<std::string> ForwardedReadName(absl::string_view name, absl::string_view instance);
absl::StatusOr<std::string> ForwardedWriteName(absl::string_view name, absl::string_view instance);

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_FORWARD_FORWARDED_NAME_H_
