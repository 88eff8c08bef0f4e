// The lists of what could start now, and who gets the next free slot.
#include <algorithm>
#include <set>

#include "controller/core/core_impl.h"

namespace rally::core {
namespace {

// Enough to find where the data is.
constexpr size_t kDependenciesToLookAt = 16;

}  // namespace

bool Core::Impl::IsSettling() const {
  if (now_ >= settles_at_) return false;
  const size_t back = agents_before_restart_ - awaited_agents_.size();
  return back * 5 < agents_before_restart_ * 4;
}

void Core::Impl::Enqueue(BuildRecord& record, int index) {
  const Step& step = record.build.steps[index];
  if (step.status != StepStatus::kReady) return;
  if (record.tracks[index].lost_input.has_value()) return;
  // Such an image is a part of the input tree.
  if (step.joining && IsLayoutImage(step.definition.spec.image)) {
    ExplainWaiting(record, index);
    return;
  }
  record.ready.insert(record.rank[index]);
  with_ready_.insert(record.number);
  ready_by_labels_[record.build.labels].insert(record.number);
  newly_ready_.emplace_back(&record, index);
}

void Core::Impl::Dequeue(BuildRecord& record, int index) {
  const int rank = record.rank[index];
  if (record.ready.erase(rank) != 0 && record.ready.empty()) {
    with_ready_.erase(record.number);
    auto alike = ready_by_labels_.find(record.build.labels);
    alike->second.erase(record.number);
    if (alike->second.empty()) {
      shortages_.erase(alike->first);
      ready_by_labels_.erase(alike);
    }
  }
  auto waiting = record.awaiting_tag.find(record.build.steps[index].definition.spec.image);
  if (waiting == record.awaiting_tag.end()) return;
  waiting->second.erase(rank);
  if (waiting->second.empty()) record.awaiting_tag.erase(waiting);
}

// The attempt of `index` resolves its tag no longer: it has, or it has ended.
void Core::Impl::StopResolving(BuildRecord& record, int index) {
  const std::string& tag = record.build.steps[index].definition.spec.image;
  auto resolving = record.resolving.find(tag);
  if (resolving == record.resolving.end() || resolving->second != index) return;
  record.resolving.erase(resolving);
  RequeueTagWaiters(record, tag);
}

void Core::Impl::RequeueTagWaiters(BuildRecord& record, const std::string& tag) {
  auto waiting = record.awaiting_tag.find(tag);
  if (waiting == record.awaiting_tag.end()) return;
  const std::set<int> ranks = std::move(waiting->second);
  record.awaiting_tag.erase(waiting);
  for (int rank : ranks) Enqueue(record, record.build.order[rank]);
}

// Gives free slots to ready steps: builds take turns, and within a build the order decides.
void Core::Impl::Place() {
  if (with_ready_.empty() || IsSettling()) return;
  const std::vector<const Agent*> eligible = EligibleAgents(agents_);
  std::vector<const Agent*> free = WithFreeSlot(eligible, now_);
  std::set<int64_t> unplaceable;
  while (!free.empty() && unplaceable.size() < with_ready_.size()) {
    auto next = with_ready_.upper_bound(last_served_);
    if (next == with_ready_.end()) next = with_ready_.begin();
    last_served_ = *next;
    if (unplaceable.count(last_served_) != 0) continue;
    if (!PlaceOne(*records_[last_served_], eligible, free)) {
      // It may have left the list: only tags to wait for.
      if (with_ready_.count(last_served_) != 0) unplaceable.insert(last_served_);
      continue;
    }
    free = WithFreeSlot(free, now_);
  }
}

bool Core::Impl::PlaceOne(BuildRecord& record, const std::vector<const Agent*>& all_eligible,
                          const std::vector<const Agent*>& all_free) {
  const std::vector<const Agent*> eligible = WithLabels(all_eligible, record.build.labels);
  const std::vector<const Agent*> free = WithLabels(all_free, record.build.labels);
  if (free.empty()) return false;
  for (auto it = record.ready.begin(); it != record.ready.end();) {
    const int rank = *it++;
    const int index = record.build.order[rank];
    const Step& step = record.build.steps[index];
    const std::string& image = step.definition.spec.image;
    auto resolving = record.resolving.find(image);
    if (resolving != record.resolving.end() && resolving->second != index) {
      // Two agents could see two different images under one tag.
      Dequeue(record, index);
      record.awaiting_tag[image].insert(rank);
      ExplainWaiting(record, index);
      continue;
    }
    const Agent* agent = ChooseAgent(free, eligible, DescribePlacement(record, index));
    if (agent == nullptr) continue;
    if (step.early && step.agent == agent->name) {
      PromoteEarly(record, index);
      return true;
    }
    // Better to start now elsewhere than to wait for the agent that is prepared.
    if (step.early) ReleaseEarly(record, index, /*tell_agent=*/true);
    BeginAttempt(record, index, agent->name, /*early=*/false);
    return true;
  }
  return false;
}

PlacementRequest Core::Impl::DescribePlacement(const BuildRecord& record, int index) const {
  const Step& step = record.build.steps[index];
  const std::string& image = step.definition.spec.image;
  PlacementRequest request;
  if (auto it = record.build.image_digests.find(image); it != record.build.image_digests.end()) {
    request.image_digest = it->second;
  } else if (size_t at = image.find('@'); at != std::string::npos) {
    request.image_digest = image.substr(at + 1);
  }
  request.input_root = step.input.hash;
  if (step.early) request.prepared_on = step.agent;
  request.avoid = step.avoid_agent;
  const std::vector<int>& dependencies = step.definition.dependencies;
  for (size_t i = 0; i < std::min(dependencies.size(), kDependenciesToLookAt); ++i) {
    const Step& dependency = record.build.steps[dependencies[i]];
    if (!dependency.agent.empty()) request.dependency_agents.push_back(dependency.agent);
  }
  return request;
}

}  // namespace rally::core
