#ifndef RALLY_AGENT_ATTEMPT_NAME_H_
#define RALLY_AGENT_ATTEMPT_NAME_H_

#include <string>

#include "absl/status/status.h"
#include "rally/v1/agent.pb.h"

namespace rally::agent {

// BUILD-INDEX-ATTEMPT: what an attempt's container, snapshot, spool and directories are called.
std::string AttemptName(const v1::AttemptKey& key);

// InvalidArgument unless the name is one that containerd and a file system take. Keys come from the
// network and end up in paths.
absl::Status CheckAttemptKey(const v1::AttemptKey& key);

// "build=B step=S attempt=N", the prefix of every line that is logged about an attempt.
std::string LogPrefix(const v1::AttemptKey& key);

}  // namespace rally::agent

#endif  // RALLY_AGENT_ATTEMPT_NAME_H_
