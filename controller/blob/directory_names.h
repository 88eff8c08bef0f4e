#ifndef RALLY_CONTROLLER_BLOB_DIRECTORY_NAMES_H_
#define RALLY_CONTROLLER_BLOB_DIRECTORY_NAMES_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// The blob store's own directories. Blocking: on the disk.
namespace rally::cas {

// A descriptor of the directory, which only its owner may enter if it is made now.
absl::StatusOr<int> MakeAndOpenDirectory(int parent_fd, const std::string& name);

// Calls `visit` for each name in it but "." and "..".
absl::Status ForEachName(int directory_fd, const std::function<void(const std::string&)>& visit);

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_DIRECTORY_NAMES_H_
