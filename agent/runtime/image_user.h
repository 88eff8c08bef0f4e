#ifndef RALLY_AGENT_RUNTIME_IMAGE_USER_H_
#define RALLY_AGENT_RUNTIME_IMAGE_USER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/runtime/container_runtime.h"

namespace rally::runtime {

// Whether `user` (an image's USER) can be told without looking into the image: "", "0", "root".
bool IsPlainRoot(absl::string_view user);

// What an image's USER ("name", "uid", "name:group", "uid:gid", ...) means by the texts of its
// /etc/passwd and /etc/group. A bare uid needs no entry; a name does (kFailedPrecondition). Pure.
absl::StatusOr<ImageUser> ResolveImageUser(absl::string_view user, absl::string_view passwd,
                                           absl::string_view group);

// A small file of an unpacked image, "" when there is none. `layers` are the layers' directories,
// the uppermost first; `path` is relative. Links are followed within a layer only. Blocking: on the
// disk.
absl::StatusOr<std::string> ReadImageFile(const std::vector<std::string>& layers,
                                          const std::string& path);

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_IMAGE_USER_H_
