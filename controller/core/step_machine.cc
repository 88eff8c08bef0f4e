// What becomes of a step when all its dependencies have ended, and of a build when all its steps
// have.
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/core/core_impl.h"

namespace rally::core {
namespace {

// A build whose steps overwrite each other everywhere needs no longer list.
constexpr size_t kMaxConflictWarnings = 1000;

std::string DescribeFailure(const Step& step) {
  const std::string& id = step.definition.spec.id;
  switch (step.status) {
    case StepStatus::kFailed:
      return absl::StrCat(id, " failed with exit code ", step.exit_code.value_or(-1));
    case StepStatus::kTimedOut:
      return absl::StrCat(id, " timed out");
    case StepStatus::kErrored:
      return absl::StrCat(id, " could not be run");
    case StepStatus::kWaiting:
    case StepStatus::kReady:
    case StepStatus::kAssigned:
    case StepStatus::kRunning:
    case StepStatus::kSucceeded:
    case StepStatus::kSkipped:
    case StepStatus::kCancelled:
      break;
  }
  return absl::StrCat(id, " is ", ToString(step.status));
}

// The steps that nothing depends on: their ancestors are all others.
std::vector<int> Leaves(const Build& build) {
  std::vector<int> leaves;
  for (size_t i = 0; i < build.steps.size(); ++i) {
    if (build.steps[i].dependents.empty()) leaves.push_back(static_cast<int>(i));
  }
  return leaves;
}

BuildStatus StatusAtEnd(const Build& build) {
  for (const Step& step : build.steps) {
    if (step.status == StepStatus::kFailed || step.status == StepStatus::kTimedOut ||
        step.status == StepStatus::kErrored) {
      return BuildStatus::kFailed;
    }
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
    MakeReady(record, index);
    return;
  }
  if (step.early) ReleaseEarly(record, index, /*tell_agent=*/true);
  record.tracks[index].results = seen;
  record.tracks[index].failure = failure;
  Settle(record, index, StepStatus::kSkipped, std::nullopt,
         failure < 0 ? "skipped: its condition was not met"
                     : absl::StrCat("skipped: ", DescribeFailure(record.build.steps[failure])));
}

void Core::Impl::Settle(BuildRecord& record, int index, StepStatus status, std::optional<int> code,
                        std::string message) {
  Build& build = record.build;
  Step& step = build.steps[index];
  StepTrack& track = record.tracks[index];
  if (IsTerminal(step.status)) return;
  if (HasAttempt(step)) DropAttempt(record, index);
  Dequeue(record, index);
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

bool Core::Impl::FindInput(BuildRecord& record, int index) {
  Step& step = record.build.steps[index];
  const std::vector<int>& dependencies = step.definition.dependencies;
  if (auto it = record.joins.find(dependencies); it != record.joins.end()) {
    SharedJoin& shared = it->second;
    step.input = shared.root;
    if (!shared.root.empty()) return true;
    shared.steps.push_back(index);
    step.joining = true;
    return false;
  }
  InputPlan plan = PlanInput(record.build, record.rank, dependencies);
  if (plan.deltas.empty()) {
    step.input = plan.base;
    if (dependencies.size() > 1 && !plan.base.empty()) {
      record.joins[dependencies] = SharedJoin{plan.base, index, {}};
    }
    return true;
  }
  record.joins[dependencies] = SharedJoin{{}, index, {index}};
  record.joins_under_way[index] = dependencies;
  step.joining = true;
  EmitJoin(record, index, std::move(plan));
  return false;
}

void Core::Impl::EmitJoin(const BuildRecord& record, int step, InputPlan plan) {
  Emit(JoinTrees{record.build.id, step, std::move(plan.base), std::move(plan.deltas),
                 std::move(plan.before)});
}

// A join that a dead controller was asked for is asked for again.
void Core::Impl::RepeatJoins(BuildRecord& record) {
  for (const auto& [step, dependencies] : record.joins_under_way) {
    EmitJoin(record, step, PlanInput(record.build, record.rank, dependencies));
  }
  if (record.build.joining_workspace) {
    EmitJoin(record, -1, PlanInput(record.build, record.rank, Leaves(record.build)));
  }
}

absl::Status Core::Impl::On(const TreeJoined& event) {
  BuildRecord* record = FindById(event.build_id);
  if (record == nullptr || IsTerminal(record->build.status)) return absl::OkStatus();
  const std::string error =
      event.error.empty() && event.root.empty() ? "the join gave no tree" : event.error;
  if (event.step == -1) {
    if (!record->build.joining_workspace) return absl::OkStatus();
    NoteConflicts(*record, event.conflicts);
    if (error.empty()) {
      record->build.workspace = event.root;
      EndBuild(*record);
      return absl::OkStatus();
    }
    const std::string message =
        absl::StrCat("the final workspace could not be put together: ", error);
    record->build.warnings.push_back(message);
    EndBuild(*record);
    // Without its workspace a build hasn't succeeded.
    if (record->build.status == BuildStatus::kSucceeded) {
      record->build.status = BuildStatus::kFailed;
      record->build.reason = message;
    }
    return absl::OkStatus();
  }
  auto under_way = record->joins_under_way.find(event.step);
  if (under_way == record->joins_under_way.end()) return absl::OkStatus();
  NoteConflicts(*record, event.conflicts);
  auto shared = record->joins.find(under_way->second);
  const std::vector<int> steps = std::move(shared->second.steps);
  shared->second.steps.clear();
  shared->second.root = event.root;
  if (!error.empty()) record->joins.erase(shared);
  record->joins_under_way.erase(under_way);
  for (int index : steps) {
    Step& step = record->build.steps[index];
    if (!step.joining) continue;  // ended meanwhile
    step.joining = false;
    Touch(*record);
    if (!error.empty()) {
      if (HasAttempt(step)) EmitCancel(*record, index, /*discard=*/true);
      Settle(*record, index, StepStatus::kErrored, kErroredCode,
             absl::StrCat("its input could not be put together: ", error));
      continue;
    }
    step.input = event.root;
    if (step.status == StepStatus::kAssigned) {
      GrantIfPossible(*record, index);
    } else {
      Enqueue(*record, index);
    }
  }
  return absl::OkStatus();
}

void Core::Impl::NoteConflicts(BuildRecord& record, const std::vector<Conflict>& conflicts) {
  for (const Conflict& conflict : conflicts) {
    if (record.conflicts.size() > kMaxConflictWarnings) return;
    if (!record.conflicts.emplace(conflict.earlier_step, conflict.later_step, conflict.path)
             .second) {
      continue;
    }
    Touch(record);
    record.build.warnings.push_back(
        record.conflicts.size() > kMaxConflictWarnings
            ? absl::StrCat("there are more than ", kMaxConflictWarnings,
                           " such conflicts; the others are not listed")
            : absl::StrCat("steps \"", conflict.earlier_step, "\" and \"", conflict.later_step,
                           "\" both wrote ", conflict.path, "; \"", conflict.later_step,
                           "\" won (it is later in the order)"));
  }
}

}  // namespace rally::core
