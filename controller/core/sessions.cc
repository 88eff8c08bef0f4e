// Agents come, go and say what they hold; the controller itself comes back.
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/core/core_impl.h"

namespace rally::core {

absl::Status Core::Impl::On(const ControllerStarted& event) {
  epoch_ = event.epoch;
  if (event.exclusive_lease > absl::ZeroDuration()) exclusive_lease_ = event.exclusive_lease;
  if (event.unknown_after > absl::ZeroDuration()) unknown_after_ = event.unknown_after;
  awaited_agents_.clear();
  for (const auto& [name, known] : agents_.agents()) {
    Agent& agent = *agents_.Find(name);
    agent.session = 0;
    agent.rests_until = absl::InfinitePast();
    for (const StepRef& ref : agents_.AttemptsOf(name)) RestartWait(*records_[ref.build], ref.step);
    if (agent.liveness == Liveness::kLost) continue;
    // No agent is lost because the controller was away: its lease starts in full.
    agent.liveness = Liveness::kAlive;
    awaited_agents_.insert(name);
    for (const StepRef& ref : agents_.AttemptsOf(name)) {
      BuildRecord& record = *records_[ref.build];
      record.tracks[ref.step].clock_at = now_;
      if (!record.build.steps[ref.step].early) ArmStepTimer(record, ref.step);
    }
  }
  agents_before_restart_ = awaited_agents_.size();
  settles_at_ = now_;
  if (agents_before_restart_ > 0) {
    settles_at_ += options_.restart_settle;
    timers_.Arm({-1, -1, ""}, settles_at_);
  }
  for (const auto& record : records_) {
    if (IsTerminal(record->build.status)) continue;
    RepeatJoins(*record);
    ResumeLostInputs(*record);
  }
  return absl::OkStatus();
}

absl::Status Core::Impl::On(const AgentConnected& event) {
  const Agent* known = agents_.Find(event.agent);
  if (known != nullptr && event.session <= known->session) return absl::OkStatus();
  Host host;
  host.same_disk = known != nullptr && known->incarnation == event.incarnation;
  host.same_boot = known != nullptr && known->boot_id == event.boot_id;
  agents_.Connect(event, now_);
  awaited_agents_.erase(event.agent);

  SendWelcome welcome{event.agent, event.session, {}};
  std::map<StepRef, const AttemptReport*> reports;
  for (const AttemptReport& report : event.attempts) {
    welcome.verdicts.push_back({report.key, Judge(event.agent, report)});
    if (auto current = FindCurrent(event.agent, report.key); current.has_value()) {
      reports[{current->record->number, current->step}] = &report;
    }
  }
  Emit(std::move(welcome));
  for (const StepRef& ref : agents_.AttemptsOf(event.agent)) {
    auto report = reports.find(ref);
    // What was done about an earlier one may have ended this one.
    if (!HasAttempt(records_[ref.build]->build.steps[ref.step])) continue;
    Reconcile(*records_[ref.build], ref.step, report == reports.end() ? nullptr : report->second,
              host);
  }
  AskNewcomer(event.agent);
  return absl::OkStatus();
}

Verdict Core::Impl::Judge(const std::string& agent, const AttemptReport& report) {
  const bool has_ended = report.state == AttemptReportState::kEnded;
  const bool may_have_run =
      report.state == AttemptReportState::kStarting || report.state == AttemptReportState::kRunning;
  if (auto current = FindCurrent(agent, report.key); current.has_value()) {
    if (has_ended) return Verdict::kResendResult;
    return may_have_run && !StepOf(*current).granted ? Verdict::kKill : Verdict::kKeep;
  }
  const BuildRecord* record = FindById(report.key.build_id);
  if (!has_ended || record == nullptr || report.key.step < 0 ||
      report.key.step >= static_cast<int>(record->build.steps.size())) {
    return Verdict::kKill;
  }
  const Step& step = record->build.steps[report.key.step];
  const bool result_is_durable = step.attempt == report.key.attempt && step.agent == agent &&
                                 record->tracks[report.key.step].result_accepted;
  return result_is_durable ? Verdict::kForget : Verdict::kKill;
}

// Makes the agent do what the core believes that it does. `report` is null when the agent doesn't
// know the attempt; on the same disk that proves that it never started it.
void Core::Impl::Reconcile(BuildRecord& record, int index, const AttemptReport* report,
                           const Host& host) {
  Step& step = record.build.steps[index];
  if (step.granted) {
    ReconcileGranted(record, index, report, host);
    return;
  }
  const bool must_prepare = report == nullptr ||
                            (report->state == AttemptReportState::kPreparing && step.prepared) ||
                            (report->state == AttemptReportState::kPrepared && !step.prepared);
  if (must_prepare) {
    step.prepared = false;
    if (agents_.Find(step.agent)->draining) {
      if (step.early) {
        ReleaseEarly(record, index, /*tell_agent=*/report != nullptr);
      } else {
        if (report != nullptr) EmitCancel(record, index, /*discard=*/true);
        Requeue(record, index);
      }
      return;
    }
    Touch(record);
    ExplainWaiting(record, index);
    EmitPrepare(record, index);
    return;
  }
  switch (report->state) {
    case AttemptReportState::kPreparing:
    case AttemptReportState::kEnded:
      return;  // its next message says more
    case AttemptReportState::kPrepared:
      GrantIfPossible(record, index);
      return;
    case AttemptReportState::kStarting:
    case AttemptReportState::kRunning:
      if (step.early) {
        record.tracks[index].no_early = true;
        ReleaseEarly(record, index, /*tell_agent=*/true);
      } else {
        FailOnHost(record, index,
                   absl::StrCat("agent ", step.agent, " started it without being told to"));
      }
      return;
  }
}

void Core::Impl::ReconcileGranted(BuildRecord& record, int index, const AttemptReport* report,
                                  const Host& host) {
  Step& step = record.build.steps[index];
  // Another disk knows nothing of it, however often the agent comes back with it.
  bool& disk_lost = record.tracks[index].disk_lost;
  disk_lost = report == nullptr && (disk_lost || !host.same_disk);
  if (!disk_lost) EndWait(record, index);
  if (report != nullptr && report->state == AttemptReportState::kEnded) return;
  if (step.cancelling) {
    if (report == nullptr) {
      Settle(record, index, StepStatus::kCancelled, std::nullopt, record.build.reason);
    } else {
      EmitCancel(record, index, /*discard=*/false);
    }
    return;
  }
  const bool may_run = report != nullptr && (report->state == AttemptReportState::kStarting ||
                                             report->state == AttemptReportState::kRunning);
  if (may_run) {
    if (step.status == StepStatus::kRunning) return;
    step.status = StepStatus::kRunning;
    step.started_at = now_;
    step.message.clear();
    Touch(record);
    return;
  }
  if (step.status == StepStatus::kRunning || disk_lost) {
    if (report != nullptr) EmitCancel(record, index, /*discard=*/true);
    // What the agent of a lost disk left behind ends with its host at the latest.
    LoseGranted(record, index, disk_lost && host.same_boot ? Remains::kMayRun : Remains::kDead,
                absl::StrCat("agent ", step.agent,
                             disk_lost ? " came back with another data directory, without it"
                                       : " came back without it"));
    return;
  }
  // The grant never reached the agent.
  Touch(record);
  if (report != nullptr && report->state == AttemptReportState::kPrepared) {
    step.prepared = true;
    SendGrant(record, index);
    return;
  }
  if (agents_.Find(step.agent)->draining) {
    if (report != nullptr) EmitCancel(record, index, /*discard=*/true);
    Requeue(record, index);
    return;
  }
  step.prepared = false;
  EmitPrepare(record, index);
}

absl::Status Core::Impl::On(const AgentDisconnected& event) {
  Agent* agent = agents_.Find(event.agent);
  // Its attempts stay with it: a stream breaks more often than a host.
  if (agent != nullptr && agent->session == event.session) agent->session = 0;
  return absl::OkStatus();
}

absl::Status Core::Impl::On(const AgentLivenessChanged& event) {
  Agent* agent = agents_.Find(event.agent);
  if (agent == nullptr) return absl::OkStatus();
  agent->liveness = event.liveness;
  agent->accepts_work = event.accepts_work;
  if (event.liveness == Liveness::kLost) {
    awaited_agents_.erase(event.agent);
    LoseAttempts(event.agent, event.silent_for);
    AwaitNoAnswer(event.agent);
  } else if (event.liveness == Liveness::kAlive && agent->session != 0) {
    // It was only silent: what it held goes on.
    for (const StepRef& ref : agents_.AttemptsOf(event.agent)) {
      BuildRecord& record = *records_[ref.build];
      if (!record.tracks[ref.step].disk_lost) EndWait(record, ref.step);
    }
  }
  return absl::OkStatus();
}

absl::Status Core::Impl::On(const DrainRequested& event) {
  Agent* agent = agents_.Find(event.agent);
  if (agent == nullptr || agent->draining == event.drain) return absl::OkStatus();
  agent->draining = event.drain;
  if (!event.drain) return absl::OkStatus();
  for (const StepRef& ref : agents_.AttemptsOf(event.agent)) {
    BuildRecord& record = *records_[ref.build];
    if (record.build.steps[ref.step].early) ReleaseEarly(record, ref.step, /*tell_agent=*/true);
  }
  return absl::OkStatus();
}

}  // namespace rally::core
