// Preparing steps while their dependencies still run: the image is pulled and the container made
// by the time that the input is there.
#include <algorithm>
#include <set>
#include <vector>

#include "controller/core/core_impl.h"

namespace rally::core {
namespace {

// Of one build at one event; those that find no room now are looked at again at the next.
constexpr int kCandidatesToTry = 64;

// What only a failure sets off is seldom needed: it is prepared when its turn has come.
bool RunsAfterSuccess(const StepDefinition& step) {
  ResultSet success;
  success.Add(0);
  return Runs(step, success);
}

}  // namespace

void Core::Impl::PrepareEarly() {
  if (with_candidates_.empty() || IsSettling()) return;
  // Whom a ready step waits for does nothing early.
  if (ready_by_labels_.count(Labels()) != 0) return;
  const std::vector<const Agent*> all_eligible = EligibleAgents(agents_);
  std::vector<const Agent*> all_room = WithEarlyRoom(all_eligible, now_);
  for (const auto& [labels, waiting] : ready_by_labels_) {
    all_room.erase(std::remove_if(all_room.begin(), all_room.end(),
                                  [&wanted = labels](const Agent* agent) {
                                    return HasLabels(*agent, wanted);
                                  }),
                   all_room.end());
  }
  const std::set<int64_t> numbers = with_candidates_;
  for (int64_t number : numbers) {
    if (all_room.empty()) return;
    BuildRecord& record = *records_[number];
    const std::vector<const Agent*> eligible = WithLabels(all_eligible, record.build.labels);
    std::vector<const Agent*> room = WithLabels(all_room, record.build.labels);
    int in_vain = 0;
    // What is prepared makes later steps candidates, never earlier ones.
    for (auto it = record.early_candidates.begin();
         it != record.early_candidates.end() && !room.empty() && in_vain < kCandidatesToTry;) {
      const int rank = *it;
      if (PrepareOneEarly(record, record.build.order[rank], eligible, room)) {
        room = WithEarlyRoom(room, now_);
        all_room = WithEarlyRoom(all_room, now_);
      } else {
        ++in_vain;
      }
      it = record.early_candidates.upper_bound(rank);
    }
  }
}

bool Core::Impl::PrepareOneEarly(BuildRecord& record, int index,
                                 const std::vector<const Agent*>& eligible,
                                 const std::vector<const Agent*>& room) {
  const PlacementRequest request = DescribePlacement(record, index);
  std::vector<const Agent*> beside_dependency;
  for (const Agent* agent : room) {
    if (std::find(request.dependency_agents.begin(), request.dependency_agents.end(),
                  agent->name) != request.dependency_agents.end()) {
      beside_dependency.push_back(agent);
    }
  }
  const int ahead = LookAheadOf(record, index);
  // Further ahead in a chain another agent is no help: the workspace would have to move.
  const Agent* agent = ChooseAgent(beside_dependency, eligible, request);
  if (agent == nullptr && ahead == 1) agent = ChooseAgent(room, eligible, request);
  if (agent == nullptr) return false;
  record.tracks[index].ahead = ahead;
  BeginAttempt(record, index, agent->name, /*early=*/true);
  return true;
}

int Core::Impl::LookAheadOf(const BuildRecord& record, int index) const {
  int ahead = 0;
  for (int dependency : record.build.steps[index].definition.dependencies) {
    ahead = std::max(ahead, record.tracks[dependency].ahead);
  }
  return ahead + 1;
}

// To be called after each change of a step's attempt or end.
void Core::Impl::UpdateLive(BuildRecord& record, int index) {
  const Step& step = record.build.steps[index];
  StepTrack& track = record.tracks[index];
  bool live = false;
  if (HasAttempt(step)) {
    live = track.ahead < kLookAhead;
  } else if (const StepStatus status = SettledStatus(step);
             status == StepStatus::kSucceeded || status == StepStatus::kSkipped) {
    live = track.results.OnlySuccess();
  }
  if (live == track.live) return;
  track.live = live;
  for (int dependent : step.dependents) {
    int& missing = record.tracks[dependent].missing_live;
    missing += live ? -1 : 1;
    if (missing == (live ? 0 : 1)) UpdateCandidate(record, dependent);
  }
}

// A step isn't as far ahead as it was, so those that were prepared behind it aren't either.
void Core::Impl::UpdateLookAhead(BuildRecord& record, int index, int ahead) {
  const int before = record.tracks[index].ahead;
  record.tracks[index].ahead = ahead;
  if (before == 0 || before == ahead) return;
  for (int dependent : record.build.steps[index].dependents) {
    if (!record.build.steps[dependent].early) continue;
    if (record.tracks[dependent].ahead != before + 1) continue;
    UpdateLookAhead(record, dependent, LookAheadOf(record, dependent));
    UpdateLive(record, dependent);
  }
}

void Core::Impl::UpdateCandidate(BuildRecord& record, int index) {
  const Step& step = record.build.steps[index];
  const StepTrack& track = record.tracks[index];
  const std::string& image = step.definition.spec.image;
  const bool fits = record.build.status == BuildStatus::kRunning &&
                    step.status == StepStatus::kWaiting && !step.early && !track.no_early &&
                    step.undecided_dependencies > 0 && track.missing_live == 0 &&
                    !IsLayoutImage(image) && RunsAfterSuccess(step.definition) &&
                    (!IsTag(image) || record.build.image_digests.count(image) != 0);
  if (fits) {
    record.early_candidates.insert(record.rank[index]);
    with_candidates_.insert(record.number);
  } else if (record.early_candidates.erase(record.rank[index]) != 0 &&
             record.early_candidates.empty()) {
    with_candidates_.erase(record.number);
  }
}

}  // namespace rally::core
