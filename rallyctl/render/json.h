#ifndef RALLY_RALLYCTL_RENDER_JSON_H_
#define RALLY_RALLYCTL_RENDER_JSON_H_

#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace rally::rallyctl {

// The message as indented JSON by protobuf's own mapping, with the field names of the .proto file
// and zero values written out, so that a script finds every field; ends in a newline.
absl::StatusOr<std::string> RenderJson(const google::protobuf::Message& message);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_RENDER_JSON_H_
