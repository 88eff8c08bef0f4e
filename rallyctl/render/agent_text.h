#ifndef RALLY_RALLYCTL_RENDER_AGENT_TEXT_H_
#define RALLY_RALLYCTL_RENDER_AGENT_TEXT_H_

#include <string>

#include "absl/time/time.h"
#include "rally/v1/build.pb.h"

namespace rally::rallyctl {

// A line for each agent, in the order given.
std::string RenderAgentList(const v1::ListAgentsResponse& agents, absl::Time now, bool colour);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_RENDER_AGENT_TEXT_H_
