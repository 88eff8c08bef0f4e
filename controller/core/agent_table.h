#ifndef RALLY_CONTROLLER_CORE_AGENT_TABLE_H_
#define RALLY_CONTROLLER_CORE_AGENT_TABLE_H_

#include <map>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "controller/core/event.h"

namespace rally::core {

// The controller's view of one agent.
struct Agent {
  std::string name;
  int64_t session = 0;           // 0: not connected
  std::string incarnation;
  std::string boot_id;
  std::string version;
  int slots = 0;
  std::map<std::string, std::string> labels;
  Liveness liveness = Liveness::kAlive;
  bool draining = false;
  bool accepts_work = true;
  absl::Time connected_at = absl::InfinitePast();
  int busy_slots = 0;            // attempts that hold a slot
  int early_prepared = 0;        // attempts prepared early, at most `slots`
  std::set<std::string> images;  // digests it has unpacked
  std::set<std::string> trees;   // root hashes that it can mount without fetching
};

// May get new work now.
inline bool IsEligible(const Agent& agent) {
  return agent.session != 0 && agent.liveness == Liveness::kAlive && !agent.draining &&
         agent.accepts_work;
}

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_AGENT_TABLE_H_
