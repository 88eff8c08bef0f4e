// The trees that steps see, and the final one: planned here, joined by a worker.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "controller/core/core_impl.h"

namespace rally::core {
namespace {

// A build whose steps overwrite each other everywhere needs no longer list.
constexpr size_t kMaxConflictWarnings = 1000;

const char* DeedText(Deed deed) {
  switch (deed) {
    case Deed::kWroteFile:
      return "wrote it";
    case Deed::kMadeSymlink:
      return "made it a symlink";
    case Deed::kMadeDirectory:
      return "made it a folder";
    case Deed::kRemoved:
      return "removed it";
    case Deed::kReplacedParent:
      return "put something else in place of a folder above it";
  }
  return "";
}

std::string ConflictText(const Conflict& conflict) {
  const std::string path = absl::Utf8SafeCEscape(conflict.path);
  const std::string steps =
      absl::StrCat("steps \"", conflict.earlier_step, "\" and \"", conflict.later_step, "\"");
  if (conflict.earlier_deed == Deed::kWroteFile && conflict.later_deed == Deed::kWroteFile) {
    return absl::StrCat(steps, " both wrote ", path);
  }
  return absl::StrCat(steps, " disagree about ", path, " (\"", conflict.earlier_step, "\" ",
                      DeedText(conflict.earlier_deed), ", \"", conflict.later_step, "\" ",
                      DeedText(conflict.later_deed), ")");
}

std::string DescribeAll(const std::vector<Conflict>& conflicts) {
  return absl::StrCat(
      "has a conflict: ", ConflictText(conflicts.front()), " and neither waits for the other",
      conflicts.size() > 1 ? absl::StrCat(" (and ", conflicts.size() - 1, " more)") : "",
      "; the pipeline says conflict = \"error\"");
}

}  // namespace

std::vector<int> Leaves(const Build& build) {
  std::vector<int> leaves;
  for (size_t i = 0; i < build.steps.size(); ++i) {
    if (build.steps[i].dependents.empty()) leaves.push_back(static_cast<int>(i));
  }
  return leaves;
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
                 std::move(plan.before), record.build.generation});
}

void Core::Impl::Refind(BuildRecord& record, int index) {
  Step& step = record.build.steps[index];
  step.input = Digest();
  step.joining = false;
  step.behind = false;
  FindInput(record, index);
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
  if (record == nullptr || IsTerminal(record->build.status) ||
      event.generation != record->build.generation) {
    return absl::OkStatus();
  }
  std::string error;
  if (!event.error.empty()) {
    error = absl::StrCat("could not be put together: ", event.error);
  } else if (event.root.empty()) {
    error = "could not be put together: the join gave no tree";
  } else if (record->build.fail_on_conflict && !event.conflicts.empty()) {
    error = DescribeAll(event.conflicts);
  }
  if (event.step == -1) {
    if (record->build.joining_workspace) FinishWorkspace(*record, event, error);
    return absl::OkStatus();
  }
  auto under_way = record->joins_under_way.find(event.step);
  if (under_way == record->joins_under_way.end()) return absl::OkStatus();
  if (error.empty()) NoteConflicts(*record, event.conflicts);
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
      if (!event.missing.empty()) {
        LoseInput(*record, index, event.missing);
        continue;
      }
      Settle(*record, index, StepStatus::kErrored, kErroredCode, absl::StrCat("its input ", error));
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

void Core::Impl::FinishWorkspace(BuildRecord& record, const TreeJoined& event,
                                 const std::string& error) {
  if (error.empty()) {
    NoteConflicts(record, event.conflicts);
    record.build.workspace = event.root;
    EndBuild(record);
    return;
  }
  const std::string message = absl::StrCat("the final workspace ", error);
  record.build.warnings.push_back(message);
  // With a conflict there is one all the same, to be looked at.
  record.build.workspace = event.root;
  EndBuild(record);
  // Without its workspace, or with one that it declared wrong, a build hasn't succeeded.
  if (record.build.status == BuildStatus::kSucceeded) {
    record.build.status = BuildStatus::kFailed;
    record.build.reason = message;
  }
}

void Core::Impl::NoteConflicts(BuildRecord& record, const std::vector<Conflict>& conflicts) {
  for (const Conflict& conflict : conflicts) {
    if (record.conflicts.size() > kMaxConflictWarnings) return;
    if (!record.conflicts.emplace(conflict.earlier_step, conflict.later_step, conflict.path)
             .second) {
      continue;
    }
    Touch(record);
    record.build.warnings.push_back(record.conflicts.size() > kMaxConflictWarnings
                                        ? absl::StrCat("there are more than ", kMaxConflictWarnings,
                                                       " such conflicts; the others are not listed")
                                        : absl::StrCat(ConflictText(conflict), "; \"",
                                                       conflict.later_step,
                                                       "\" won (it is later in the order)"));
  }
}

}  // namespace rally::core
