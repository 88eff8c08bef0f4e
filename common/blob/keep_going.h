#ifndef RALLY_COMMON_BLOB_KEEP_GOING_H_
#define RALLY_COMMON_BLOB_KEEP_GOING_H_

#include <functional>

#include "absl/status/status.h"

namespace rally::blob {

// Asked again and again by long work on files, from whichever thread does it: an error ends the
// work, which then fails with it. Null: nobody is asked.
using KeepGoing = std::function<absl::Status()>;

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_KEEP_GOING_H_
