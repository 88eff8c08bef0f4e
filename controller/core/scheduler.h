#ifndef RALLY_CONTROLLER_CORE_SCHEDULER_H_
#define RALLY_CONTROLLER_CORE_SCHEDULER_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "controller/core/agent_table.h"
#include "controller/core/event.h"

// Where a step goes: pure functions over the table of agents.
namespace rally::core {

// What placement knows about a step.
struct PlacementRequest {
  std::string image_digest;                    // empty: not known yet
  std::string input_root;                      // empty: not known yet
  std::string prepared_on;                     // holds its early attempt
  std::string avoid;                           // failed there last time; empty: none
  std::vector<std::string> dependency_agents;  // where dependencies ran, a few of them
};

// Whether the agent has all labels that a build wants, with the same values.
bool HasLabels(const Agent& agent, const Labels& wanted);

// Those of `agents` that have them.
std::vector<const Agent*> WithLabels(const std::vector<const Agent*>& agents, const Labels& wanted);

// Agents that may get new work at all.
std::vector<const Agent*> EligibleAgents(const AgentTable& agents);

// Of the eligible ones, those that a step could start on now.
std::vector<const Agent*> WithFreeSlot(const std::vector<const Agent*>& eligible, absl::Time now);

// Of the eligible ones, those that may prepare one more step early.
std::vector<const Agent*> WithEarlyRoom(const std::vector<const Agent*>& eligible, absl::Time now);

// The best of `candidates`: it holds the step's preparation, misses the fewest bytes (image before
// input tree before a dependency's output), is the least loaded, has the first name. An agent to be
// avoided is only taken when `eligible` has no other. Null when none fits.
const Agent* ChooseAgent(const std::vector<const Agent*>& candidates,
                         const std::vector<const Agent*>& eligible,
                         const PlacementRequest& request);

// Why a step that could start doesn't, in words for a person. `wanted` are its build's labels.
std::string DescribeShortage(const AgentTable& agents, const Labels& wanted);

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_SCHEDULER_H_
