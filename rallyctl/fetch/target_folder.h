#ifndef RALLY_RALLYCTL_FETCH_TARGET_FOLDER_H_
#define RALLY_RALLYCTL_FETCH_TARGET_FOLDER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/file_descriptor.h"

namespace rally::rallyctl {

// Whether files can be put into the folder `path`, which is made when it is missing, its parents
// not. Changes nothing: for asking before what takes long. FailedPrecondition says what is in the
// way, and what to do.
absl::Status CheckTarget(const std::string& path);

// Makes it when it is missing, and opens it. Errors: as CheckTarget, and those of the disk.
absl::StatusOr<FileDescriptor> OpenTarget(const std::string& path);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FETCH_TARGET_FOLDER_H_
