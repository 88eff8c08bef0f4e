// What a step that doesn't run says about why, in words for a person.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/core/core_impl.h"

namespace rally::core {
namespace {

constexpr int kNamesToShow = 3;

}  // namespace

std::string Core::Impl::DescribeWait(BuildRecord& record, int index) {
  const Build& build = record.build;
  const Step& step = build.steps[index];
  const std::vector<int>& dependencies = step.definition.dependencies;
  // Only moves on: what has ended stays so. Otherwise a wide fan-in would be read at every end.
  int& first_open = record.tracks[index].first_open;
  const int count = static_cast<int>(dependencies.size());
  while (first_open < count && IsTerminal(SettledStatus(build.steps[dependencies[first_open]]))) {
    ++first_open;
  }
  if (first_open == count) return "";
  std::vector<std::string> names;
  if (step.undecided_dependencies > kNamesToShow) {
    return absl::StrCat("waits for ", build.steps[dependencies[first_open]].definition.spec.id,
                        " and ", step.undecided_dependencies - 1, " other steps");
  }
  for (int i = first_open; i < count; ++i) {
    const Step& dependency = build.steps[dependencies[i]];
    if (!IsTerminal(SettledStatus(dependency))) names.push_back(dependency.definition.spec.id);
  }
  return absl::StrCat("waits for ", absl::StrJoin(names, ", "));
}

// Words for a step of which something changed. Those that only wait for a slot get theirs at the
// end of the event, when it is known what is short.
void Core::Impl::ExplainWaiting(BuildRecord& record, int index) {
  Step& step = record.build.steps[index];
  step.activity.clear();
  switch (step.status) {
    case StepStatus::kWaiting:
      step.message = DescribeWait(record, index);
      if (step.early) {
        step.message = absl::StrCat(step.prepared ? "prepared on " : "being prepared on ",
                                    step.agent, ", ", step.message);
      }
      return;
    case StepStatus::kReady: {
      const std::string& image = step.definition.spec.image;
      if (record.tracks[index].lost_input.has_value()) {
        step.message = DescribeLostInput(record, index);
        return;
      }
      if (auto it = record.resolving.find(image);
          it != record.resolving.end() && it->second != index) {
        step.message = absl::StrCat("waits for the image tag ", image, " to be resolved by step ",
                                    record.build.steps[it->second].definition.spec.id);
      } else if (step.joining && IsLayoutImage(image)) {
        step.message = "waits for its input to be put together";
      } else {
        newly_ready_.emplace_back(&record, index);
      }
      return;
    }
    case StepStatus::kAssigned:
      if (step.agent_lost) {
        step.message = DescribeLoss(record, index);
      } else if (step.cancelling) {
        step.message = absl::StrCat("is being stopped on ", step.agent);
      } else if (step.granted) {
        step.message = absl::StrCat("starts on ", step.agent);
      } else if (!step.prepared) {
        step.message = absl::StrCat("is being prepared on ", step.agent);
      } else if (step.joining) {
        step.message =
            absl::StrCat("prepared on ", step.agent, ", waits for its input to be put together");
      } else {
        step.message = absl::StrCat("prepared on ", step.agent, ", waits for it to be connected");
      }
      return;
    case StepStatus::kRunning:
      if (step.agent_lost) {
        step.message = DescribeLoss(record, index);
      } else {
        step.message = step.cancelling ? absl::StrCat("is being stopped on ", step.agent) : "";
      }
      return;
    case StepStatus::kSucceeded:
    case StepStatus::kFailed:
    case StepStatus::kTimedOut:
    case StepStatus::kErrored:
    case StepStatus::kSkipped:
    case StepStatus::kCancelled:
      return;  // says how it ended
  }
}

bool Core::Impl::NoteActivity(const std::string& agent, const AttemptKey& key, std::string doing) {
  const std::optional<Current> current = FindCurrent(agent, key);
  if (!current.has_value()) return false;
  Step& step = StepOf(*current);
  const bool under_way = step.status == StepStatus::kAssigned && !step.agent_lost &&
                         !step.cancelling && (step.granted || !step.prepared);
  if (!under_way || step.activity == doing) return false;
  step.activity = std::move(doing);
  return true;
}

// An agent with free slots may be passed over: it isn't to look forgotten.
std::string Core::Impl::DescribeAvoided(const BuildRecord& record, int index) const {
  const std::string& avoided = record.build.steps[index].avoid_agent;
  if (avoided.empty() || IsSettling()) return "";
  const std::vector<const Agent*> eligible =
      WithLabels(EligibleAgents(agents_), record.build.labels);
  const bool is_eligible = std::any_of(eligible.begin(), eligible.end(),
                                       [&](const Agent* agent) { return agent->name == avoided; });
  if (!is_eligible || eligible.size() == 1) return "";
  return absl::StrCat(", not on ", avoided, ", where its last attempt failed");
}

void Core::Impl::ExplainReadySteps() {
  if (with_ready_.empty()) return;
  const auto describe = [this](const Labels& labels) {
    if (!IsSettling()) return DescribeShortage(agents_, labels);
    return absl::StrCat("waits for the agents to come back after the controller's restart (",
                        agents_before_restart_ - awaited_agents_.size(), " of ",
                        agents_before_restart_, " are)");
  };
  const auto explain = [this](BuildRecord& record, int index, const std::string& shortage) {
    Step& step = record.build.steps[index];
    step.message = absl::StrCat(shortage, DescribeAvoided(record, index));
    if (step.early) {
      step.message = absl::StrCat(step.prepared ? "prepared on " : "being prepared on ", step.agent,
                                  ", ", step.message);
    }
    Touch(record);
  };
  for (const auto& [labels, numbers] : ready_by_labels_) {
    std::string shortage = describe(labels);
    std::string& before = shortages_[labels];
    if (shortage == before) continue;
    before = std::move(shortage);
    for (int64_t number : numbers) {
      BuildRecord& record = *records_[number];
      for (int rank : record.ready) explain(record, record.build.order[rank], before);
    }
  }
  for (auto [record, index] : newly_ready_) {
    if (record->ready.count(record->rank[index]) == 0) continue;
    explain(*record, index, shortages_[record->build.labels]);
  }
}

}  // namespace rally::core
