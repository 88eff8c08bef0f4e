// Cancelling, and the clocks that end things.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/core/core_impl.h"

namespace rally::core {
namespace {

constexpr absl::Duration kLookAgain = absl::Minutes(1);

}  // namespace

absl::Status Core::Impl::On(const CancelRequested& event) {
  BuildRecord* record = FindById(event.build_id);
  if (record == nullptr || record->build.status != BuildStatus::kRunning) return absl::OkStatus();
  StopBuild(*record, event.reason.empty() ? "cancelled" : event.reason, /*for_timeout=*/false);
  return absl::OkStatus();
}

// From here on nothing of the build starts.
void Core::Impl::StopBuild(BuildRecord& record, const std::string& reason, bool for_timeout) {
  Build& build = record.build;
  build.status = BuildStatus::kCancelling;
  build.reason = reason;
  timers_.Disarm({record.number, -1, ""});
  Touch(record);
  for (int index : build.order) {
    Step& step = build.steps[index];
    if (IsTerminal(step.status)) continue;
    step.cancelled_for_timeout = for_timeout;
    // A result that was accepted just now is what struck the clock.
    const bool has_ended = record.tracks[index].result_accepted;
    if (step.agent_lost) {
      Settle(record, index, StepStatus::kCancelled, std::nullopt,
             absl::StrCat(reason, "; agent ", step.agent, " was lost meanwhile"));
      continue;
    }
    if (step.granted && !has_ended) {
      // Its process may run: its end is awaited.
      step.cancelling = true;
      EmitCancel(record, index, /*discard=*/false);
      ArmStepTimer(record, index);
      ExplainWaiting(record, index);
      continue;
    }
    if (HasAttempt(step) && !has_ended) EmitCancel(record, index, /*discard=*/true);
    Settle(record, index, StepStatus::kCancelled, std::nullopt, reason);
  }
}

void Core::Impl::StrikeTotal(BuildRecord& record) {
  if (record.build.status != BuildStatus::kRunning) return;
  record.build.total_timeout_struck = true;
  StopBuild(record,
            absl::StrCat("the build's total timeout of ",
                         absl::FormatDuration(record.build.total_timeout), " struck"),
            /*for_timeout=*/true);
}

absl::Duration Core::Impl::TotalLeft(const BuildRecord& record) const {
  const Build& build = record.build;
  if (build.total_timeout <= absl::ZeroDuration() || build.started_at == absl::InfiniteFuture()) {
    return absl::InfiniteDuration();
  }
  return build.started_at + build.total_timeout - now_;
}

// Each attempt has one deadline: of its preparation ahead of time, of its step's clock before the
// grant (after it the agent keeps the clock), or a net under the agent that has the grant.
void Core::Impl::ArmStepTimer(BuildRecord& record, int index) {
  const Step& step = record.build.steps[index];
  absl::Time deadline = absl::InfiniteFuture();
  if (step.early) {
    deadline = step.assigned_at + options_.early_prepare_bound;
  } else if (step.agent_lost) {
    deadline = record.tracks[index].awaited_until;
  } else if (step.granted) {
    // A cancelled step owes its result soon, another one after its timeout.
    deadline = now_ + kResultSlack;
    if (!step.cancelling && step.definition.timeout > absl::ZeroDuration()) {
      deadline += step.definition.timeout;
    } else if (!step.cancelling) {
      deadline = absl::InfiniteFuture();
    }
  } else if (step.definition.timeout > absl::ZeroDuration()) {
    deadline = record.tracks[index].clock_at + step.definition.timeout;
  }
  timers_.Arm({record.number, index, ""}, deadline);
}

absl::Status Core::Impl::On(const TimerFired& /*event*/) {
  while (std::optional<TimerKey> key = timers_.TakeDue(now_)) {
    // Others only wake placement.
    if (key->build < 0) continue;
    BuildRecord& record = *records_[key->build];
    if (key->step < 0) {
      StrikeTotal(record);
    } else {
      OnStepTimer(record, key->step);
    }
  }
  return absl::OkStatus();
}

void Core::Impl::OnStepTimer(BuildRecord& record, int index) {
  Step& step = record.build.steps[index];
  if (record.tracks[index].lost_input.has_value()) TraceInput(record, index);
  if (!HasAttempt(step)) return;
  if (step.early) {
    record.tracks[index].no_early = true;
    ReleaseEarly(record, index, /*tell_agent=*/true);
    return;
  }
  if (step.agent_lost) {
    GiveUpWait(record, index);
    return;
  }
  if (!step.granted) {
    EmitCancel(record, index, /*discard=*/true);
    Settle(record, index, StepStatus::kTimedOut, kTimedOutCode,
           absl::StrCat("timed out after ", absl::FormatDuration(step.definition.timeout),
                        step.prepared ? " before it could start on agent "
                                      : " while it was being prepared on agent ",
                        step.agent));
    return;
  }
  const Agent* agent = agents_.Find(step.agent);
  if (agent == nullptr || agent->session == 0 || agent->liveness != Liveness::kAlive) {
    // Whether it is lost is for the watch over heartbeats to say.
    timers_.Arm({record.number, index, ""}, now_ + kLookAgain);
    return;
  }
  EmitCancel(record, index, /*discard=*/true);
  if (step.cancelling) {
    Settle(record, index, StepStatus::kCancelled, std::nullopt,
           absl::StrCat(record.build.reason, "; agent ", step.agent,
                        " did not report that it stopped it"));
  } else {
    Settle(record, index, StepStatus::kErrored, kErroredCode,
           absl::StrCat("agent ", step.agent, " gave no result, long after the step's timeout"));
  }
}

}  // namespace rally::core
