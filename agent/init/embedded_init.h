#ifndef RALLY_AGENT_INIT_EMBEDDED_INIT_H_
#define RALLY_AGENT_INIT_EMBEDDED_INIT_H_

#include "absl/strings/string_view.h"

namespace rally::agent {

// The bytes of the static executable that is PID 1 of every step (rally_init.cc). The agent writes
// them to a file of its own, mode 0755, and names it in ContainerSpec::init_path. Valid forever.
absl::string_view EmbeddedInit();

}  // namespace rally::agent

#endif  // RALLY_AGENT_INIT_EMBEDDED_INIT_H_
