#ifndef RALLY_AGENT_KEEPER_EMBEDDED_H_
#define RALLY_AGENT_KEEPER_EMBEDDED_H_

#include "absl/strings/string_view.h"

namespace rally::keeper {

// The rally-keeper executable: static, so that it runs on any host and outlives an upgrade of the
// package that the agent came from.
absl::string_view EmbeddedKeeper();

}  // namespace rally::keeper

#endif  // RALLY_AGENT_KEEPER_EMBEDDED_H_
