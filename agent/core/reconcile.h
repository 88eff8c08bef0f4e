#ifndef RALLY_AGENT_CORE_RECONCILE_H_
#define RALLY_AGENT_CORE_RECONCILE_H_

#include "absl/strings/string_view.h"
#include "agent/core/attempt_phase.h"

namespace rally::agent {

// What the runtime shows of an attempt when the agent starts.
enum class Found {
  kNothing,  // No record and no process.
  kNoTask,   // A record without processes.
  kCreated,  // Parked: nothing of the step has run.
  kRunning,
  kStopped,  // Ended; the runtime still knows how.
};

// What a starting agent does about an attempt of its journal. None of them starts a process: only
// a grant of the controller does, after its verdict.
enum class Recovery {
  kDiscard,       // Remove every trace and forget it: for the controller it never was here.
  kKeepPrepared,  // Parked as before; a grant may come.
  kAdopt,         // Attach to the process, or collect the way it ended.
  kReportGone,    // The process may have run and left nothing: errored, may be tried again.
  kReportReboot,  // The same because the host restarted.
  kResend,        // Its result is in the journal.
};

// Total: also for what the write-ahead rules exclude, where the answer is the one that can't run a
// step twice. `needs_container` is false for an attempt whose container is made at its grant.
Recovery Recover(Phase journalled, Found found, bool rebooted, bool needs_container);

absl::string_view ToString(Recovery recovery);

}  // namespace rally::agent

#endif  // RALLY_AGENT_CORE_RECONCILE_H_
