#include "controller/core/scheduler.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rally::core {
namespace {

// Smaller is better.
auto Cost(const Agent& agent, const PlacementRequest& request) {
  const bool prepared = agent.name == request.prepared_on;
  const bool has_image =
      !request.image_digest.empty() && agent.images.count(request.image_digest) != 0;
  const bool has_tree = !request.input_root.empty() && agent.trees.count(request.input_root) != 0;
  const bool ran_dependency =
      std::find(request.dependency_agents.begin(), request.dependency_agents.end(), agent.name) !=
      request.dependency_agents.end();
  // Parts per million of the slots, so that integers compare.
  const int64_t load =
      agent.slots > 0 ? int64_t{1000000} * agent.busy_slots / agent.slots : int64_t{1000000};
  return std::make_tuple(!prepared, !has_image, !has_tree, !ran_dependency, load);
}

std::string Count(int count, const char* noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

}  // namespace

bool HasLabels(const Agent& agent, const Labels& wanted) {
  return std::includes(agent.labels.begin(), agent.labels.end(), wanted.begin(), wanted.end());
}

std::vector<const Agent*> WithLabels(const std::vector<const Agent*>& agents,
                                     const Labels& wanted) {
  if (wanted.empty()) return agents;
  std::vector<const Agent*> with;
  for (const Agent* agent : agents) {
    if (HasLabels(*agent, wanted)) with.push_back(agent);
  }
  return with;
}

std::vector<const Agent*> EligibleAgents(const AgentTable& agents) {
  std::vector<const Agent*> eligible;
  for (const auto& [name, agent] : agents.agents()) {
    if (IsEligible(agent) && agent.slots > 0) eligible.push_back(&agent);
  }
  return eligible;
}

std::vector<const Agent*> WithFreeSlot(const std::vector<const Agent*>& eligible, absl::Time now) {
  std::vector<const Agent*> free;
  for (const Agent* agent : eligible) {
    if (agent->busy_slots < agent->slots && agent->rests_until <= now) free.push_back(agent);
  }
  return free;
}

std::vector<const Agent*> WithEarlyRoom(const std::vector<const Agent*>& eligible, absl::Time now) {
  std::vector<const Agent*> free;
  for (const Agent* agent : eligible) {
    if (agent->early_prepared < agent->slots && agent->rests_until <= now) free.push_back(agent);
  }
  return free;
}

const Agent* ChooseAgent(const std::vector<const Agent*>& candidates,
                         const std::vector<const Agent*>& eligible,
                         const PlacementRequest& request) {
  const bool only_one = eligible.size() == 1;
  const Agent* best = nullptr;
  for (const Agent* agent : candidates) {
    if (agent->name == request.avoid && !only_one) continue;
    // The candidates come in the order of their names: the first of equals stays.
    if (best == nullptr || Cost(*agent, request) < Cost(*best, request)) best = agent;
  }
  return best;
}

std::string DescribeShortage(const AgentTable& agents, const Labels& wanted) {
  int connected = 0;
  int without_labels = 0;
  int draining = 0;
  int silent = 0;
  int full_disks = 0;
  int eligible = 0;
  int busy_slots = 0;
  for (const auto& [name, agent] : agents.agents()) {
    if (agent.session == 0) continue;
    if (!HasLabels(agent, wanted)) {
      ++without_labels;
      continue;
    }
    ++connected;
    if (IsEligible(agent)) {
      ++eligible;
      busy_slots += agent.busy_slots;
    } else if (agent.draining) {
      ++draining;
    } else if (agent.liveness != Liveness::kAlive) {
      ++silent;
    } else {
      ++full_disks;
    }
  }
  const std::string labels = absl::StrJoin(wanted, ", ", absl::PairFormatter("="));
  const std::string with_labels = wanted.empty() ? "" : absl::StrCat(" with the labels ", labels);
  if (connected == 0 && without_labels > 0) {
    return absl::StrCat("waits for an agent with the labels ", labels, " (",
                        Count(without_labels, "agent"), " connected, none has them)");
  }
  if (connected == 0) return "no agent is connected";
  if (eligible > 0) {
    return absl::StrCat("waits for a free slot (", Count(eligible, "agent"), with_labels, ", ",
                        Count(busy_slots, "slot"), " busy)");
  }
  if (draining == connected) {
    return connected == 1 ? absl::StrCat("the only agent", with_labels, " is draining")
                          : absl::StrCat("all agents", with_labels, " are draining");
  }
  return absl::StrCat("no agent", with_labels, " takes new work (of ", connected, ": ", draining,
                      " draining, ", silent, " silent, ", full_disks, " without free disk space)");
}

}  // namespace rally::core
