#ifndef RALLY_CONTROLLER_CORE_CORE_H_
#define RALLY_CONTROLLER_CORE_CORE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/core/agent_table.h"
#include "controller/core/build.h"
#include "controller/core/command.h"
#include "controller/core/event.h"

namespace rally::core {

struct CoreOptions {
  int max_attempts = 3;                              // on loss of agents; never on a non-zero exit
  absl::Duration restart_settle = absl::Seconds(2);  // wait for agents after a controller restart
  absl::Duration early_prepare_bound = absl::Minutes(10);
  // Until a ControllerStarted says otherwise, so that a replay doesn't depend on configuration.
  absl::Duration exclusive_lease = absl::Minutes(2);
  absl::Duration unknown_after = absl::Minutes(15);
};

// The controller's decisions: every build, the table of agents, and which step goes where. A
// deterministic function of the events it was given and their times. It does no I/O, reads no clock
// and starts no thread.
//
// Threads: not thread-safe; the loop thread owns it.
// Errors: Apply is total. An event that makes no sense in the present state (unknown build, stale
// attempt, older session) changes nothing but what a late report is owed (its acknowledgement), and
// a programmer's mistake returns FailedPrecondition.
class Core {
 public:
  explicit Core(CoreOptions options = {});
  ~Core();

  // Changes the state and returns what is to be done about it, in order.
  absl::StatusOr<std::vector<Command>> Apply(const Event& event, absl::Time now);

  // Takes in what an agent says that it is doing for an attempt whose process doesn't run yet. A
  // hint for people: no event, and gone with the attempt's next one. Whether it is news.
  bool NoteActivity(const std::string& agent, const AttemptKey& key, std::string doing);

  // When to post TimerFired at the latest; InfiniteFuture when nothing waits for time.
  absl::Time NextDeadline() const;

  const Build* FindBuild(const std::string& id) const;
  // By idempotency key; null when the key is new.
  const Build* FindSubmission(const std::string& idempotency_key) const;
  // In the order of submission.
  std::vector<const Build*> Builds() const;
  const std::map<std::string, Agent>& Agents() const;
  int64_t epoch() const;

 private:
  friend std::string Fingerprint(const Core& core);

  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The whole state as text: two cores that were given the same events have the same one. For tests
// and for checking a replay; long for large builds.
std::string Fingerprint(const Core& core);

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_CORE_H_
