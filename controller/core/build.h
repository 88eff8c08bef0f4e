#ifndef RALLY_CONTROLLER_CORE_BUILD_H_
#define RALLY_CONTROLLER_CORE_BUILD_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "controller/core/event.h"

// The state of builds and their steps, as data. Only core::Core changes it.
namespace rally::core {

enum class StepStatus {
  kWaiting,    // for its dependencies
  kReady,      // dependencies decided, no agent yet
  kAssigned,   // an agent holds the current attempt; its process has not been granted to start, or
               // has not reported that it did
  kRunning,    // the agent reported that the process started
  kSucceeded,  // exit code 0
  kFailed,     // another exit code, or a signal
  kTimedOut,   // its own timeout struck; dependents see 124
  kErrored,    // Rally could not run it; dependents see 125
  kSkipped,    // its condition was false
  kCancelled,  // by the user or by totalTimeout
};

bool IsTerminal(StepStatus status);
const char* ToString(StepStatus status);

enum class BuildStatus { kRunning, kCancelling, kSucceeded, kFailed, kTimedOut, kCancelled };

bool IsTerminal(BuildStatus status);
const char* ToString(BuildStatus status);

struct PhaseTimes {
  absl::Duration queued;
  absl::Duration pulling;
  absl::Duration creating;
  absl::Duration restoring;
  absl::Duration running;
  absl::Duration capturing;
};

// How a step had ended that runs again, because what it made was lost.
struct EarlierEnd {
  StepStatus status = StepStatus::kSucceeded;
  std::string message;
  bool oom_killed = false;
  Digest input;
  Digest output;
  bool behind = false;
  PhaseTimes phases;
  absl::Time assigned_at = absl::InfinitePast();
  absl::Time started_at = absl::InfinitePast();
};

// A step of a build with its current attempt.
struct Step {
  StepDefinition definition;
  std::vector<int> dependents;

  StepStatus status = StepStatus::kWaiting;
  int undecided_dependencies = 0;
  int attempt = 0;                     // current; 0 before the first
  std::string agent;                   // of the current attempt
  bool prepared = false;               // the agent reported Prepared
  bool early = false;                  // prepared while dependencies still run: holds no slot yet
  bool granted = false;                // StartGrant is durable: the process may have run
  bool cancelling = false;             // Cancel was sent; a result is awaited
  bool cancelled_for_timeout = false;  // by the total clock
  bool agent_lost = false;             // granted, and its agent can't be asked: its end is awaited
  int infrastructure_failures = 0;

  std::optional<int> exit_code;  // as dependents see it
  std::string message;           // why it waits, failed or was skipped
  std::string activity;          // what its agent is at; only a hint, and no part of the state
  bool oom_killed = false;
  Digest input;          // empty until known
  bool joining = false;  // a JoinTrees for the input is under way
  Digest output;         // empty: as the input (no delta)
  int64_t log_end = 0;
  std::string image_digest;
  std::vector<std::string> warnings;
  PhaseTimes phases;
  absl::Time ready_at = absl::InfinitePast();  // last dependency's decision
  absl::Time assigned_at = absl::InfinitePast();
  absl::Time started_at = absl::InfinitePast();
  absl::Time ended_at = absl::InfinitePast();
  std::string avoid_agent;  // where the last attempt failed for a reason of the host
  // Steps with an explicit condition that ran because of this one's code: the first of them.
  std::vector<int> handled_by;
  // Set while the step runs again for the sake of its output: `status` is that of the new attempt,
  // which nobody else goes by.
  std::optional<EarlierEnd> ended_before;
  int reruns = 0;       // of that kind
  bool behind = false;  // its input holds what a step made before it ran again
};

// As everybody but the attempt's own machinery sees it: what has ended stays so.
inline StepStatus SettledStatus(const Step& step) {
  return step.ended_before.has_value() ? step.ended_before->status : step.status;
}
inline const Digest& SettledInput(const Step& step) {
  return step.ended_before.has_value() ? step.ended_before->input : step.input;
}
inline const Digest& SettledOutput(const Step& step) {
  return step.ended_before.has_value() ? step.ended_before->output : step.output;
}

// Whether it changed its tree.
inline bool HasDelta(const Step& step) {
  return !SettledOutput(step).empty() && SettledOutput(step) != SettledInput(step);
}

struct Build {
  std::string id;
  std::string idempotency_key;
  std::string content_hash;
  std::string pipeline_name;
  std::map<std::string, std::string> labels;
  Digest context;
  absl::Duration total_timeout;
  bool fail_on_conflict = false;
  bool fail_fast = false;
  absl::Time submitted_at;
  absl::Time started_at = absl::InfiniteFuture();  // left the queue: the total clock runs
  absl::Time ended_at = absl::InfinitePast();
  BuildStatus status = BuildStatus::kRunning;
  std::string reason;  // why it was cancelled or timed out
  bool total_timeout_struck = false;
  std::vector<Step> steps;  // in the order of the file
  std::vector<int> order;   // topological, ties by file order
  int unfinished_steps = 0;
  Digest workspace;  // final tree, once ended
  bool joining_workspace = false;
  std::vector<std::string> warnings;
  std::map<std::string, std::string> image_digests;  // reference -> digest, resolved once
  int64_t revision = 0;
  int generation = 0;  // grows when a step has made anew what was lost
};

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_BUILD_H_
