#ifndef RALLY_COMMON_BLOB_INSTANCE_NAME_H_
#define RALLY_COMMON_BLOB_INSTANCE_NAME_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

// Names of the parts that a server of the Remote Execution API may be divided into.
namespace rally::blob {

// Whether it is a word that ends the instance in a resource name, and so can't be a part of one.
bool IsReservedSegment(absl::string_view segment);

// InvalidArgument, saying why, unless calls may carry it: segments that are not empty and not
// reserved, joined by '/'. "" is a name as well.
absl::Status CheckInstanceName(absl::string_view instance);

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_INSTANCE_NAME_H_
