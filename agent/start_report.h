#ifndef RALLY_AGENT_START_REPORT_H_
#define RALLY_AGENT_START_REPORT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

// By what an agent tells a step that could not be started from one that ended with the same code: a
// file that the step's container sees, with a secret in it. The init that begins the container
// empties it just before it executes the step's command, and else adds why it can't (agent/init).
// So no process of the step ever sees the secret, and none can pretend that there was none.
namespace rally::agent {

// Why a step's command was never executed.
struct StartFailure {
  std::string message;     // "cannot enter the working directory /workspace/x: Not a directory"
  bool may_retry = false;  // This host had no more of something.
};

// Makes the file anew, and returns the secret. Whoever gets to the file may write to it: the init
// runs as the image's user. So it has to be in a directory that only root may enter.
absl::StatusOr<std::string> MakeStartReport(const std::string& path);

// Once the container's processes are gone. None: the command was executed, or nobody knows.
absl::optional<StartFailure> ReadStartFailure(const std::string& path, absl::string_view secret);

}  // namespace rally::agent

#endif  // RALLY_AGENT_START_REPORT_H_
