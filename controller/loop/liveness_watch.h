#ifndef RALLY_CONTROLLER_LOOP_LIVENESS_WATCH_H_
#define RALLY_CONTROLLER_LOOP_LIVENESS_WATCH_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "controller/core/event.h"

namespace rally::controller {

// Concludes from heartbeats which agents are alive, suspect or lost. Pure: the time is an argument.
// A lease is a duration since the last sign of life, and starts in full with the watch itself, so
// that an outage of the controller alone never loses an agent.
class LivenessWatch {
 public:
  struct Options {
    absl::Duration suspect_after = absl::Seconds(6);
    absl::Duration lost_after = absl::Seconds(30);
  };

  explicit LivenessWatch(Options options) : options_(options) {}

  // A sign of life. Returns true when the core must be told (`event` is filled).
  bool Seen(const std::string& agent, bool accepts_work, absl::Time now,
            core::AgentLivenessChanged* event);

  // That much time before `now` counts against nobody, because nobody could be heard.
  void Prolong(absl::Duration duration, absl::Time now);

  // What the core must be told by now.
  std::vector<core::AgentLivenessChanged> Check(absl::Time now);

  // When Check has something to say at the earliest.
  absl::Time NextDeadline() const;

  absl::Time LastSeen(const std::string& agent) const;

 private:
  struct Entry {
    absl::Time last_seen;
    core::Liveness liveness = core::Liveness::kAlive;
    bool accepts_work = true;
  };

  const Options options_;
  std::map<std::string, Entry> agents_;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_LOOP_LIVENESS_WATCH_H_
