#ifndef RALLY_CONTROLLER_FAILPOINT_H_
#define RALLY_CONTROLLER_FAILPOINT_H_

#include "absl/strings/string_view.h"

namespace rally::controller {

// Called at the places that a crash test wants to end the process at, with the place's name. Null
// in every binary but the test's, which sets it before main; nothing in production code does.
using FailpointHook = void (*)(absl::string_view place, absl::string_view detail);
extern FailpointHook failpoint_hook;

// Marks a place between two write-ahead rules. `detail` tells places of one kind apart.
inline void Failpoint(absl::string_view place, absl::string_view detail = "") {
  if (failpoint_hook != nullptr) failpoint_hook(place, detail);
}

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_FAILPOINT_H_
