#ifndef RALLY_AGENT_FAILURE_H_
#define RALLY_AGENT_FAILURE_H_

#include "absl/status/status.h"
#include "rally/v1/agent.pb.h"

// Whose fault a failure is: what decides whether the controller tries another host.
namespace rally::agent {

// Of making an image or a container.
v1::RejectCause CauseOf(const absl::Status& status);

// Of mounting the input tree, or of capturing the output: whether another host may do better.
bool OtherHostMayMount(const absl::Status& status);
bool OtherHostMayCapture(const absl::Status& status);

// The other side doesn't answer: the same call may succeed later.
bool IsTransient(const absl::Status& status);

}  // namespace rally::agent

#endif  // RALLY_AGENT_FAILURE_H_
