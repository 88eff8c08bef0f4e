#ifndef RALLY_AGENT_CORE_ATTEMPT_PHASE_H_
#define RALLY_AGENT_CORE_ATTEMPT_PHASE_H_

#include "absl/strings/string_view.h"

namespace rally::agent {

// How far an attempt has come on this agent.
enum class Phase {
  kPreparing,  // Image, tree and container are being made.
  kPrepared,   // The container is parked and waits for its grant.
  kStarting,   // Granted: the workspace is mounted, and the process may run from some moment on.
  kRunning,    // The process was started. Capturing what it left counts as running, too.
  kEnded,      // Its result is on this host's disk and waits to be acknowledged.
};

// What the controller can say about an attempt.
enum class Order {
  kPrepare,
  kStartGrant,
  kCancel,   // End it and report how it ended.
  kDiscard,  // End it at once; nobody wants a result.
  kResultAck,
};

// What the agent does about it.
enum class Response {
  kIgnore,       // It was heard before, and a report follows by itself; or it means nothing here.
  kReportAgain,  // The report may have been lost: send the newest one again.
  kAcceptGrant,
  kEndBeforeStart,  // Give up what is prepared; the result says that nothing ran.
  kEndProcess,      // SIGTERM, grace, SIGKILL.
  kDrop,            // Kill what lives, remove every trace, report nothing.
  kForget,          // The controller has the result for good.
};

// The answer to an order, for every phase: the same order may come any number of times, in any
// phase, since sessions break and controllers restart. `granted` says that a grant was accepted,
// `ending` that the agent is already ending the attempt.
Response Respond(Phase phase, bool granted, bool ending, Order order);

absl::string_view ToString(Phase phase);

}  // namespace rally::agent

#endif  // RALLY_AGENT_CORE_ATTEMPT_PHASE_H_
