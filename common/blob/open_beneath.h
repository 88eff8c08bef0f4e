#ifndef RALLY_COMMON_BLOB_OPEN_BENEATH_H_
#define RALLY_COMMON_BLOB_OPEN_BENEATH_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/file_descriptor.h"

namespace rally::blob {

// Opens an existing file by its path below a directory, whatever the path's length. No component
// may be a symlink, and none leads out. "" is the directory itself. `flags` as for openat;
// O_CLOEXEC and O_NOFOLLOW are added.
absl::StatusOr<FileDescriptor> OpenBeneath(int directory_fd, absl::string_view path, int flags);

// Removes parent/name and everything below, following nothing. What isn't there is fine.
absl::Status RemoveTree(int parent_fd, const std::string& name);

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_OPEN_BENEATH_H_
