// Attempts that were granted and that their agents can't finish. Which of them run again, and when,
// is for the step's rerun class to say.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "controller/core/core_impl.h"

namespace rally::core {
namespace {

// After its lease the agent gives the process this long to end by itself, then kills it; and some
// time for clocks that run at different rates and for the killing.
constexpr absl::Duration kLeaseGrace = absl::Seconds(10);
constexpr absl::Duration kLeaseMargin = absl::Seconds(5);

}  // namespace

// An agent is said to be lost: it has been silent for too long.
void Core::Impl::LoseAttempts(const std::string& agent, absl::Duration silent_for) {
  for (const StepRef& ref : agents_.AttemptsOf(agent)) {
    BuildRecord& record = *records_[ref.build];
    Step& step = record.build.steps[ref.step];
    if (!HasAttempt(step)) continue;
    if (step.early) {
      ReleaseEarly(record, ref.step, /*tell_agent=*/true);
    } else if (step.cancelling) {
      EmitCancel(record, ref.step, /*discard=*/true);
      Settle(record, ref.step, StepStatus::kCancelled, std::nullopt,
             absl::StrCat(record.build.reason, "; agent ", agent, " was lost meanwhile"));
    } else if (step.granted) {
      if (step.definition.rerun == Rerun::kSafe) EmitCancel(record, ref.step, /*discard=*/true);
      LoseGranted(record, ref.step, Remains::kMayRun,
                  absl::StrCat("agent ", agent, " was lost while it had the step"), silent_for);
    } else {
      EmitCancel(record, ref.step, /*discard=*/true);
      Requeue(record, ref.step);
    }
  }
}

void Core::Impl::LoseGranted(BuildRecord& record, int index, Remains remains,
                             const std::string& what, absl::Duration silent_for) {
  Step& step = record.build.steps[index];
  const Rerun rerun = step.definition.rerun;
  if (!step.granted || rerun == Rerun::kSafe || remains == Remains::kNeverStarted ||
      (rerun == Rerun::kExclusive && remains == Remains::kDead)) {
    FailOnHost(record, index, what);
    return;
  }
  StepTrack& track = record.tracks[index];
  if (rerun == Rerun::kNever && (remains == Remains::kDead || track.disk_lost)) {
    // Nobody is left who could tell.
    Settle(
        record, index, StepStatus::kErrored, kErroredCode,
        absl::StrCat("its outcome is unknown: ", what, "; it isn't run again (rerun = \"never\")"));
    return;
  }
  if (step.agent_lost) return;  // is waited for already
  step.agent_lost = true;
  track.lost_because = what;
  track.awaited_until = now_ + WaitFor(record, index);
  // What was silence before it was called a loss counts. Its own lease is as old.
  if (rerun == Rerun::kExclusive) track.awaited_until -= silent_for;
  ArmStepTimer(record, index);
  ExplainWaiting(record, index);
  Touch(record);
}

absl::Duration Core::Impl::WaitFor(const BuildRecord& record, int index) const {
  if (record.build.steps[index].definition.rerun == Rerun::kNever) return unknown_after_;
  return record.tracks[index].lease + kLeaseGrace + kLeaseMargin;
}

// The controller was away: it couldn't be told meanwhile, and its clock may have jumped.
void Core::Impl::RestartWait(BuildRecord& record, int index) {
  if (!record.build.steps[index].agent_lost) return;
  record.tracks[index].awaited_until = now_ + WaitFor(record, index);
  ArmStepTimer(record, index);
}

// The agent is there again, with the attempt.
void Core::Impl::EndWait(BuildRecord& record, int index) {
  Step& step = record.build.steps[index];
  if (!step.agent_lost) return;
  step.agent_lost = false;
  record.tracks[index].lost_because.clear();
  ArmStepTimer(record, index);
  ExplainWaiting(record, index);
  Touch(record);
}

void Core::Impl::GiveUpWait(BuildRecord& record, int index) {
  const Step& step = record.build.steps[index];
  const std::string what = record.tracks[index].lost_because;
  EmitCancel(record, index, /*discard=*/true);
  if (step.definition.rerun == Rerun::kExclusive) {
    FailOnHost(record, index, what);
    return;
  }
  Settle(record, index, StepStatus::kErrored, kErroredCode,
         absl::StrCat("its outcome is unknown: ", what, ", and did not come back with a result in ",
                      absl::FormatDuration(unknown_after_),
                      "; it isn't run again (rerun = \"never\")"));
}

std::string Core::Impl::DescribeLoss(const BuildRecord& record, int index) const {
  const bool exclusive = record.build.steps[index].definition.rerun == Rerun::kExclusive;
  return absl::StrCat(
      record.tracks[index].lost_because,
      exclusive ? "; it runs again when the old process is surely dead, in "
                : "; the agent's true result is awaited for ",
      absl::FormatDuration(WaitFor(record, index)),
      exclusive ? " at the latest (rerun = \"exclusive\")" : " (rerun = \"never\")");
}

}  // namespace rally::core
