#ifndef RALLY_AGENT_SERVICE_H_
#define RALLY_AGENT_SERVICE_H_

#include "absl/time/time.h"

// The process as a service: the signals that end it, and what systemd wants to know.
namespace rally::agent {

// Before any thread exists: from then on SIGTERM and SIGINT only reach AwaitStop().
void BlockStopSignals();

// Tells systemd, if it started this process, that the service is ready; then feeds its watchdog
// until a signal asks the service to stop, and tells it so.
void AwaitStop();

// Ends the process with status 0 when it still lives after `grace`: everything that matters is on
// disk at any moment, and a call that hangs must not hold up a restart.
void ExitAfter(absl::Duration grace);

}  // namespace rally::agent

#endif  // RALLY_AGENT_SERVICE_H_
