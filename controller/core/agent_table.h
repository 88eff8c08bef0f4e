#ifndef RALLY_CONTROLLER_CORE_AGENT_TABLE_H_
#define RALLY_CONTROLLER_CORE_AGENT_TABLE_H_

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "controller/core/event.h"

namespace rally::core {

// An agent's own, or those that a build wants its agents to have.
using Labels = std::map<std::string, std::string>;

// The controller's view of one agent.
struct Agent {
  std::string name;
  int64_t session = 0;  // 0: not connected
  std::string incarnation;
  std::string boot_id;
  std::string version;
  int slots = 0;
  Labels labels;
  Liveness liveness = Liveness::kAlive;
  bool draining = false;
  bool accepts_work = true;
  absl::Time connected_at = absl::InfinitePast();
  int busy_slots = 0;                             // attempts that hold a slot
  int early_prepared = 0;                         // attempts prepared early, at most `slots`
  std::set<std::string> images;                   // digests it has unpacked
  std::set<std::string> trees;                    // root hashes that it can mount without fetching
  absl::Time rests_until = absl::InfinitePast();  // said that it is busy: no new work before
  int busy_rejections = 0;                        // in a row: the rest grows with them
};

// May get new work now.
inline bool IsEligible(const Agent& agent) {
  return agent.session != 0 && agent.liveness == Liveness::kAlive && !agent.draining &&
         agent.accepts_work;
}

// Which step of which build, by the build's order of submission.
struct StepRef {
  int64_t build = 0;
  int step = 0;

  friend bool operator<(const StepRef& a, const StepRef& b) {
    return a.build != b.build ? a.build < b.build : a.step < b.step;
  }
};

// Every agent that ever said Hello, with the attempts that it was given and has not ended. It keeps
// the counts of slots true and decides nothing.
//
// Ownership: owns the agents; a pointer that Find gives stays good.
// Threads: not thread-safe.
class AgentTable {
 public:
  const std::map<std::string, Agent>& agents() const { return agents_; }
  Agent* Find(const std::string& name);
  const Agent* Find(const std::string& name) const;

  // A new session. Another incarnation has none of the images and trees of before.
  Agent& Connect(const AgentConnected& hello, absl::Time now);

  // Gives the agent an attempt of `step`, which holds a slot unless it is early.
  void Bind(const std::string& name, StepRef step, bool early);
  // An early attempt takes a slot.
  void Promote(const std::string& name, StepRef step);
  void Unbind(const std::string& name, StepRef step, bool early);

  // The attempts that the agent has, in order. A copy: the caller changes them.
  std::vector<StepRef> AttemptsOf(const std::string& name) const;

  void AddImage(const std::string& name, const std::string& digest);
  void AddTree(const std::string& name, const std::string& root_hash);

 private:
  // What an agent has is a guess that helps placement; the oldest entries are dropped.
  struct Possessions {
    std::deque<std::string> images;
    std::deque<std::string> trees;
    std::set<StepRef> attempts;
  };

  std::map<std::string, Agent> agents_;
  std::map<std::string, Possessions> possessions_;
};

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_AGENT_TABLE_H_
