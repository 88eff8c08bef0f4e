// What becomes of a step when all its dependencies have ended, and of a build when all its steps
// have.
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/core_impl.h"

namespace rally::core {
namespace {

// Of the handlers of one failed step; a report has no use for more.
constexpr size_t kMaxHandlersNamed = 64;

std::string DescribeFailure(const Step& step) {
  const std::string& id = step.definition.spec.id;
  switch (SettledStatus(step)) {
    case StepStatus::kFailed:
      return absl::StrCat(id, " failed with exit code ", step.exit_code.value_or(-1));
    case StepStatus::kTimedOut:
      return absl::StrCat(id, " timed out (code 124)");
    case StepStatus::kErrored:
      return absl::StrCat(id, " could not be run (code 125)");
    case StepStatus::kWaiting:
    case StepStatus::kReady:
    case StepStatus::kAssigned:
    case StepStatus::kRunning:
    case StepStatus::kSucceeded:
    case StepStatus::kSkipped:
    case StepStatus::kCancelled:
      break;
  }
  return absl::StrCat(id, " is ", ToString(SettledStatus(step)));
}

bool IsFailure(StepStatus status) {
  return status == StepStatus::kFailed || status == StepStatus::kTimedOut ||
         status == StepStatus::kErrored;
}

BuildStatus StatusAtEnd(const Build& build) {
  // Whether its failure was handled or not: a handler that turned the build green would let go
  // ahead what waits for a good one.
  for (const Step& step : build.steps) {
    if (IsFailure(step.status)) return BuildStatus::kFailed;
  }
  if (build.total_timeout_struck) return BuildStatus::kTimedOut;
  if (build.status == BuildStatus::kCancelling) return BuildStatus::kCancelled;
  return BuildStatus::kSucceeded;
}

}  // namespace

void Core::Impl::MakeReady(BuildRecord& record, int index) {
  Step& step = record.build.steps[index];
  step.status = StepStatus::kReady;
  step.ready_at = now_;
  record.tracks[index].queued_at = now_;
  Touch(record);
  UpdateCandidate(record, index);
  FindInput(record, index);
  Enqueue(record, index);
}

void Core::Impl::DecideSteps() {
  while (!to_decide_.empty()) {
    auto [record, index] = to_decide_.front();
    to_decide_.pop_front();
    if (record->build.steps[index].status == StepStatus::kWaiting) Decide(*record, index);
  }
}

void Core::Impl::Decide(BuildRecord& record, int index) {
  Step& step = record.build.steps[index];
  if (record.build.status != BuildStatus::kRunning) {
    Settle(record, index, StepStatus::kCancelled, std::nullopt, record.build.reason);
    return;
  }
  ResultSet seen;
  int failure = -1;
  for (int dependency : step.definition.dependencies) {
    const StepTrack& track = record.tracks[dependency];
    seen.Add(track.results);
    if (track.failure < 0) continue;
    if (failure < 0 || record.rank[track.failure] < record.rank[failure]) failure = track.failure;
  }
  if (Runs(step.definition, seen)) {
    if (HasCondition(step.definition)) NoteHandled(record, index);
    MakeReady(record, index);
    return;
  }
  if (step.early) ReleaseEarly(record, index, /*tell_agent=*/true);
  record.tracks[index].results = seen;
  record.tracks[index].failure = failure;
  Settle(record, index, StepStatus::kSkipped, std::nullopt,
         absl::StrCat("skipped: ", HasCondition(step.definition)
                                       ? DescribeUnmetCondition(step.definition, seen)
                                       : DescribeFailure(record.build.steps[failure])));
}

// Tells the failed steps whose codes the handler sees, through skipped ones too, that it runs
// because of them.
void Core::Impl::NoteHandled(BuildRecord& record, int handler) {
  Build& build = record.build;
  std::vector<int> open = build.steps[handler].definition.dependencies;
  std::set<int> visited(open.begin(), open.end());
  while (!open.empty() && record.edges_to_walk > 0) {
    Step& step = build.steps[open.back()];
    open.pop_back();
    --record.edges_to_walk;
    if (step.status == StepStatus::kSkipped) {
      record.edges_to_walk -= static_cast<int64_t>(step.definition.dependencies.size());
      for (int dependency : step.definition.dependencies) {
        if (visited.insert(dependency).second) open.push_back(dependency);
      }
    } else if (step.exit_code.has_value() && step.handled_by.size() < kMaxHandlersNamed &&
               RunsBecauseOf(build.steps[handler].definition, *step.exit_code)) {
      step.handled_by.push_back(handler);
    }
  }
}

void Core::Impl::Settle(BuildRecord& record, int index, StepStatus status, std::optional<int> code,
                        std::string message) {
  Build& build = record.build;
  Step& step = build.steps[index];
  StepTrack& track = record.tracks[index];
  if (IsTerminal(step.status)) return;
  if (track.lost_input.has_value()) {
    timers_.Disarm({record.number, index, ""});
    track.lost_input.reset();
    lost_inputs_.erase({record.number, index});
  }
  if (HasAttempt(step)) DropAttempt(record, index);
  Dequeue(record, index);
  if (step.ended_before.has_value()) {
    EndRerun(record, index, status, code, message);
    return;
  }
  step.status = status;
  step.exit_code = code;
  step.message = std::move(message);
  step.ended_at = now_;
  step.joining = false;
  step.cancelling = false;
  // A skipped step is transparent: its results are those that it saw, and are there already.
  if (code.has_value()) {
    track.results.Add(*code);
    if (*code != 0) track.failure = index;
  }
  --build.unfinished_steps;
  settled_ = true;
  Touch(record);
  UpdateLive(record, index);
  UpdateCandidate(record, index);
  for (int dependent : step.dependents) {
    Step& waiting = build.steps[dependent];
    if (--waiting.undecided_dependencies == 0) {
      to_decide_.emplace_back(&record, dependent);
    } else if (build.status == BuildStatus::kRunning) {
      ExplainWaiting(record, dependent);
    }
  }
  if (IsFailure(status) && build.fail_fast && build.status == BuildStatus::kRunning) {
    StopBuild(record,
              absl::StrCat("step ", DescribeFailure(step),
                           ", and the build ends at its first failure (fail-fast)"),
              /*for_timeout=*/false);
  }
}

void Core::Impl::EndBuilds() {
  for (size_t i = 0; i < changed_.size(); ++i) {
    BuildRecord& record = *changed_[i];
    if (record.build.unfinished_steps != 0 || IsTerminal(record.build.status) ||
        record.build.joining_workspace) {
      continue;
    }
    InputPlan plan = PlanInput(record.build, record.rank, Leaves(record.build));
    if (plan.deltas.empty()) {
      record.build.workspace = plan.base;
      EndBuild(record);
    } else {
      record.build.joining_workspace = true;
      EmitJoin(record, -1, std::move(plan));
    }
  }
}

void Core::Impl::EndBuild(BuildRecord& record) {
  Build& build = record.build;
  build.status = StatusAtEnd(build);
  build.joining_workspace = false;
  build.ended_at = now_;
  timers_.Disarm({record.number, -1, ""});
  // Only needed while steps are to come.
  record.joins.clear();
  record.joins_under_way.clear();
  record.conflicts.clear();
  record.tag_users.clear();
  Touch(record);
}

}  // namespace rally::core
