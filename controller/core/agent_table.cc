#include "controller/core/agent_table.h"

#include <cstddef>

namespace rally::core {
namespace {

// More than a host keeps unpacked or ready to mount.
constexpr size_t kMaxImagesRemembered = 1024;
constexpr size_t kMaxTreesRemembered = 4096;

void Remember(const std::string& entry, size_t limit, std::set<std::string>& known,
              std::deque<std::string>& oldest_first) {
  if (entry.empty() || !known.insert(entry).second) return;
  oldest_first.push_back(entry);
  if (oldest_first.size() > limit) {
    known.erase(oldest_first.front());
    oldest_first.pop_front();
  }
}

}  // namespace

Agent* AgentTable::Find(const std::string& name) {
  auto it = agents_.find(name);
  return it == agents_.end() ? nullptr : &it->second;
}

const Agent* AgentTable::Find(const std::string& name) const {
  auto it = agents_.find(name);
  return it == agents_.end() ? nullptr : &it->second;
}

Agent& AgentTable::Connect(const AgentConnected& hello, absl::Time now) {
  Agent& agent = agents_[hello.agent];
  agent.name = hello.agent;
  if (agent.incarnation != hello.incarnation) {
    Possessions& possessions = possessions_[hello.agent];
    agent.images.clear();
    agent.trees.clear();
    possessions.images.clear();
    possessions.trees.clear();
  }
  agent.session = hello.session;
  agent.incarnation = hello.incarnation;
  agent.boot_id = hello.boot_id;
  agent.version = hello.version;
  agent.slots = hello.slots;
  agent.labels = hello.labels;
  agent.liveness = Liveness::kAlive;
  agent.accepts_work = true;
  agent.connected_at = now;
  agent.rests_until = absl::InfinitePast();
  agent.busy_rejections = 0;
  return agent;
}

void AgentTable::Bind(const std::string& name, StepRef step, bool early) {
  Agent* agent = Find(name);
  if (agent == nullptr || !possessions_[name].attempts.insert(step).second) return;
  ++(early ? agent->early_prepared : agent->busy_slots);
}

void AgentTable::Promote(const std::string& name, StepRef step) {
  Agent* agent = Find(name);
  if (agent == nullptr || possessions_[name].attempts.count(step) == 0) return;
  --agent->early_prepared;
  ++agent->busy_slots;
}

void AgentTable::Unbind(const std::string& name, StepRef step, bool early) {
  Agent* agent = Find(name);
  if (agent == nullptr || possessions_[name].attempts.erase(step) == 0) return;
  --(early ? agent->early_prepared : agent->busy_slots);
}

std::vector<StepRef> AgentTable::AttemptsOf(const std::string& name) const {
  auto it = possessions_.find(name);
  if (it == possessions_.end()) return {};
  return std::vector<StepRef>(it->second.attempts.begin(), it->second.attempts.end());
}

void AgentTable::AddImage(const std::string& name, const std::string& digest) {
  Agent* agent = Find(name);
  if (agent == nullptr) return;
  Remember(digest, kMaxImagesRemembered, agent->images, possessions_[name].images);
}

void AgentTable::AddTree(const std::string& name, const std::string& root_hash) {
  Agent* agent = Find(name);
  if (agent == nullptr) return;
  Remember(root_hash, kMaxTreesRemembered, agent->trees, possessions_[name].trees);
}

}  // namespace rally::core
