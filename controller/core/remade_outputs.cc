// Steps that run again because what they made was lost. Their status and exit code stay; whatever
// hasn't started yet gets an input with the new output in it, and all else keeps what it has.
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/core_impl.h"

namespace rally::core {
namespace {

// Joining what was made on top of the old output costs the square of their number.
constexpr size_t kMaxStepsBehind = 1000;

// Whose process has begun, so that it keeps its input.
bool KeepsInput(const Step& step) {
  return !step.input.empty() && (IsTerminal(step.status) || step.granted);
}

std::vector<int> Descendants(const Build& build, int index) {
  std::vector<bool> seen(build.steps.size());
  std::vector<int> found = {index};
  for (size_t i = 0; i < found.size(); ++i) {
    for (int dependent : build.steps[found[i]].dependents) {
      if (!seen[dependent]) found.push_back(dependent);
      seen[dependent] = true;
    }
  }
  found.erase(found.begin());
  return found;
}

std::string DescribeEnd(StepStatus status, std::optional<int> code) {
  return absl::StrCat(ToString(status),
                      code.has_value() ? absl::StrCat(" (code ", *code, ")") : "");
}

}  // namespace

// Empty when the step may run again to make what was lost, or does already.
std::string Core::Impl::WhyNotAgain(const BuildRecord& record, int index) const {
  const Step& step = record.build.steps[index];
  if (step.ended_before.has_value()) return "";
  const std::string made = absl::StrCat("and step ", step.definition.spec.id, ", which made it, ");
  switch (step.definition.rerun) {
    case Rerun::kSafe:
      break;
    case Rerun::kExclusive:
      return absl::StrCat(made, "isn't run again (rerun = \"exclusive\")");
    case Rerun::kNever:
      return absl::StrCat(made, "isn't run again (rerun = \"never\")");
  }
  if (step.reruns > 0) return absl::StrCat(made, "was run again for such a loss already");
  if (!IsTerminal(step.status)) return absl::StrCat(made, "is ", ToString(step.status));
  size_t behind = 0;
  for (int descendant : Descendants(record.build, index)) {
    behind += KeepsInput(record.build.steps[descendant]);
  }
  if (behind > kMaxStepsBehind) {
    return absl::StrCat(made, "isn't run again, since ", behind, " steps have built upon it");
  }
  return "";
}

void Core::Impl::RunAgain(BuildRecord& record, int index, int for_step, const Digest& blob) {
  Step& step = record.build.steps[index];
  EarlierEnd end;
  end.status = step.status;
  end.message = std::move(step.message);
  end.oom_killed = step.oom_killed;
  end.input = step.input;
  end.output = step.output;
  end.behind = step.behind;
  end.phases = step.phases;
  end.assigned_at = step.assigned_at;
  end.started_at = step.started_at;
  step.ended_before = std::move(end);
  ++step.reruns;
  ++record.build.unfinished_steps;
  const std::string& id = step.definition.spec.id;
  const std::string why = absl::StrCat(
      "runs again, since step ", record.build.steps[for_step].definition.spec.id, " needs blob ",
      blob.hash, "/", blob.size_bytes, " of what it made, and that is lost");
  step.warnings.push_back(why);
  record.build.warnings.push_back(absl::StrCat("step ", id, " ", why));
  step.status = StepStatus::kReady;
  step.message.clear();
  step.agent.clear();
  step.avoid_agent.clear();
  step.infrastructure_failures = 0;
  step.prepared = false;
  step.granted = false;
  step.started_at = absl::InfinitePast();
  record.tracks[index].queued_at = now_;
  if (step.behind) Refind(record, index);
  UpdateLive(record, index);
  Enqueue(record, index);
  Touch(record);
}

// Instead of Settle for a step that had ended before.
void Core::Impl::EndRerun(BuildRecord& record, int index, StepStatus status,
                          std::optional<int> code, const std::string& message) {
  Step& step = record.build.steps[index];
  const EarlierEnd end = *std::move(step.ended_before);
  step.ended_before.reset();
  const bool same = status == end.status && code == step.exit_code;
  if (!same) {
    step.input = end.input;
    step.output = end.output;
    step.behind = end.behind;
  }
  step.status = end.status;
  step.message = end.message;
  step.oom_killed = end.oom_killed;
  step.phases = end.phases;
  step.assigned_at = end.assigned_at;
  step.started_at = end.started_at;
  step.joining = false;
  step.cancelling = false;
  step.cancelled_for_timeout = false;
  --record.build.unfinished_steps;
  settled_ = true;
  UpdateLive(record, index);
  Touch(record);
  if (same) AdoptRemade(record, index);
  std::vector<int> waiting;
  for (auto it = lost_inputs_.lower_bound({record.number, 0});
       it != lost_inputs_.end() && it->build == record.number; ++it) {
    if (record.tracks[it->step].lost_input->makers.count(index) != 0) waiting.push_back(it->step);
  }
  for (int consumer : waiting) {
    std::optional<LostInput>& lost = record.tracks[consumer].lost_input;
    // Whoever ends the build ends them as well.
    if (!lost.has_value() || record.build.status != BuildStatus::kRunning) continue;
    if (!same) {
      GiveUpInput(record, consumer, lost->blobs.front(),
                  absl::StrCat("and step ", step.definition.spec.id,
                               ", which was run again to make it, ended otherwise than before: ",
                               DescribeEnd(status, code), " instead of ",
                               DescribeEnd(step.status, step.exit_code),
                               message.empty() ? "" : "; ", message));
      continue;
    }
    lost->makers.erase(index);
    if (lost->makers.empty()) RestoreInput(record, consumer);
  }
}

void Core::Impl::AdoptRemade(BuildRecord& record, int index) {
  Build& build = record.build;
  ++build.generation;
  for (int descendant : Descendants(build, index)) {
    Step& step = build.steps[descendant];
    if (KeepsInput(step)) step.behind = true;
    // What it had made before it was run again itself.
    if (step.ended_before.has_value()) step.ended_before->behind = true;
  }
  FindInputsAnew(record);
}

// For all that hasn't started; joins that are under way are of another generation now.
void Core::Impl::FindInputsAnew(BuildRecord& record) {
  record.joins.clear();
  record.joins_under_way.clear();
  for (int index : record.build.order) {
    const Step& step = record.build.steps[index];
    // Those that wait for lost blobs find theirs when they are back.
    if (record.tracks[index].lost_input.has_value()) continue;
    if (step.status == StepStatus::kReady) {
      Dequeue(record, index);
      Refind(record, index);
      Enqueue(record, index);
    } else if (step.status == StepStatus::kAssigned && !step.granted) {
      Refind(record, index);
      ExplainWaiting(record, index);
      GrantIfPossible(record, index);
    }
  }
}

}  // namespace rally::core
