// What agents report about attempts, and how an attempt begins, is granted and is given up.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/core/core_impl.h"

namespace rally::core {
namespace {

// What a timeout is when the build has none: far, but it fits into every duration.
constexpr absl::Duration kNoTimeout = absl::Hours(24 * 365);

absl::Duration Limit(absl::Duration timeout) {
  return timeout > absl::ZeroDuration() ? std::min(timeout, kNoTimeout) : kNoTimeout;
}

absl::Duration SinceNotNegative(absl::Time from, absl::Time now) {
  return from == absl::InfinitePast() ? absl::ZeroDuration()
                                      : std::max(now - from, absl::ZeroDuration());
}

}  // namespace

absl::Status Core::Impl::On(const AttemptPrepared& event) {
  std::optional<Current> current = FindCurrent(event.agent, event.key);
  agents_.AddImage(event.agent, event.image_digest);
  if (!current.has_value()) return absl::OkStatus();
  BuildRecord& record = *current->record;
  Step& step = StepOf(*current);
  if (step.cancelling) return absl::OkStatus();
  if (Agent* agent = agents_.Find(event.agent); agent != nullptr) agent->busy_rejections = 0;
  if (!step.prepared) {
    step.prepared = true;
    step.phases.pulling = event.pulling;
    step.phases.creating = event.creating;
    if (!event.image_digest.empty()) step.image_digest = event.image_digest;
    Touch(record);
    const std::string& image = step.definition.spec.image;
    if (IsTag(image) && !event.image_digest.empty()) {
      // The first answer holds for the whole build.
      if (record.build.image_digests.emplace(image, event.image_digest).second) {
        for (int user : record.tag_users[image]) UpdateCandidate(record, user);
      }
    }
    StopResolving(record, current->step);
  }
  if (step.granted) {
    // The grant was durable, but its message or the agent's memory of it was lost.
    if (step.status == StepStatus::kAssigned) SendGrant(record, current->step);
    return absl::OkStatus();
  }
  ExplainWaiting(record, current->step);
  GrantIfPossible(record, current->step);
  return absl::OkStatus();
}

absl::Status Core::Impl::On(const AttemptRejected& event) {
  std::optional<Current> current = FindCurrent(event.agent, event.key);
  if (!current.has_value()) return absl::OkStatus();
  BuildRecord& record = *current->record;
  Step& step = StepOf(*current);
  if (event.cause == RejectCause::kBusy) {
    if (Agent* agent = agents_.Find(event.agent); agent != nullptr) {
      const int doublings = std::min(agent->busy_rejections++, 5);
      agent->rests_until = now_ + absl::Seconds(1 << doublings);
      timers_.Arm({-1, -1, agent->name}, agent->rests_until);
    }
  }
  if (step.cancelling) {
    Settle(record, current->step, StepStatus::kCancelled, std::nullopt, record.build.reason);
    return absl::OkStatus();
  }
  if (step.status == StepStatus::kRunning && event.cause != RejectCause::kPermanent) {
    LoseGranted(record, current->step, Remains::kDead,
                absl::StrCat("agent ", event.agent, " doesn't have it any more: ", event.message));
    return absl::OkStatus();
  }
  if (step.early) {
    // Whether the step fails is decided when it is its turn: it may yet be skipped.
    if (event.cause != RejectCause::kBusy) record.tracks[current->step].no_early = true;
    if (event.cause == RejectCause::kHere) step.avoid_agent = event.agent;
    ReleaseEarly(record, current->step, /*tell_agent=*/false);
    return absl::OkStatus();
  }
  switch (event.cause) {
    case RejectCause::kBusy:
      Requeue(record, current->step);
      break;
    case RejectCause::kHere:
      FailOnHost(record, current->step,
                 absl::StrCat("agent ", event.agent, " could not prepare it: ", event.message));
      break;
    case RejectCause::kPermanent:
      Settle(record, current->step, StepStatus::kErrored, kErroredCode, event.message);
      break;
  }
  return absl::OkStatus();
}

absl::Status Core::Impl::On(const AttemptStarted& event) {
  std::optional<Current> current = FindCurrent(event.agent, event.key);
  if (!current.has_value()) return absl::OkStatus();
  Step& step = StepOf(*current);
  if (!step.granted || step.status != StepStatus::kAssigned) return absl::OkStatus();
  step.status = StepStatus::kRunning;
  step.started_at = now_;
  step.phases.restoring = event.restoring;
  ExplainWaiting(*current->record, current->step);
  Touch(*current->record);
  return absl::OkStatus();
}

absl::Status Core::Impl::On(const AttemptEnded& event) {
  // Even a superseded result is acknowledged, so that the agent can drop it.
  Emit(SendResultAck{event.agent, event.key});
  std::optional<Current> current = FindCurrent(event.agent, event.key);
  if (!current.has_value()) return absl::OkStatus();
  BuildRecord& record = *current->record;
  Step& step = StepOf(*current);
  if (step.early) {
    record.tracks[current->step].no_early = true;
    ReleaseEarly(record, current->step, /*tell_agent=*/false);
    return absl::OkStatus();
  }
  record.tracks[current->step].result_accepted = true;
  step.log_end = event.log_end;
  step.oom_killed = event.oom_killed;
  step.phases.running = event.running;
  step.phases.capturing = event.capturing;
  step.warnings.insert(step.warnings.end(), event.warnings.begin(), event.warnings.end());
  if (step.started_at == absl::InfinitePast() && !event.never_started) {
    step.started_at = now_ - event.running - event.capturing;
  }
  SettleByResult(record, current->step, event);
  return absl::OkStatus();
}

void Core::Impl::SettleByResult(BuildRecord& record, int index, const AttemptEnded& result) {
  Step& step = record.build.steps[index];
  if (step.cancelling) {
    Settle(record, index, StepStatus::kCancelled, std::nullopt, record.build.reason);
    return;
  }
  const Remains remains = result.never_started ? Remains::kNeverStarted : Remains::kDead;
  if (result.kind == EndKind::kErrored) {
    const bool may_go_on = result.never_started || step.definition.rerun != Rerun::kNever;
    if (step.granted && may_go_on && !result.missing.empty()) {
      // Not the host's fault, nor the step's.
      LoseInput(record, index, result.missing);
    } else if (result.may_retry) {
      LoseGranted(record, index, remains,
                  absl::StrCat("agent ", result.agent, ": ", result.message));
    } else {
      Settle(record, index, StepStatus::kErrored, kErroredCode, result.message);
    }
    return;
  }
  if (!step.granted || result.kind == EndKind::kCancelled) {
    LoseGranted(record, index, remains,
                absl::StrCat("agent ", result.agent,
                             step.granted ? " ended it without being asked"
                                          : " reported an end before it was told to start it"));
    return;
  }
  if (result.kind == EndKind::kTimedOut && record.tracks[index].total_is_nearer) {
    // It was the build's clock that the agent kept.
    step.cancelled_for_timeout = true;
    StrikeTotal(record);
    return;
  }
  step.output = result.output == step.input ? Digest() : result.output;
  agents_.AddTree(result.agent, result.output.hash);
  std::string message = result.message;
  if (result.kind == EndKind::kTimedOut) {
    if (message.empty()) {
      message = absl::StrCat("timed out after ", absl::FormatDuration(step.definition.timeout));
    }
    Settle(record, index, StepStatus::kTimedOut, kTimedOutCode, std::move(message));
    return;
  }
  if (message.empty() && result.exit_code != 0) {
    message = absl::StrCat("exit code ", result.exit_code,
                           result.oom_killed ? " (it ran out of memory)" : "");
  }
  Settle(record, index, result.exit_code == 0 ? StepStatus::kSucceeded : StepStatus::kFailed,
         result.exit_code, std::move(message));
}

void Core::Impl::GrantIfPossible(BuildRecord& record, int index) {
  Step& step = record.build.steps[index];
  if (step.status != StepStatus::kAssigned || !step.prepared || step.granted || step.joining) {
    return;
  }
  // A grant that can't be sent would only turn a free retry into one that counts.
  const Agent* agent = agents_.Find(step.agent);
  if (agent == nullptr || agent->session == 0) return;
  if (TotalLeft(record) <= absl::ZeroDuration()) {
    StrikeTotal(record);
    return;
  }
  if (Limit(step.definition.timeout) <= SinceNotNegative(record.tracks[index].clock_at, now_)) {
    OnStepTimer(record, index);
    return;
  }
  step.granted = true;
  agents_.AddTree(step.agent, step.input.hash);
  Touch(record);
  ExplainWaiting(record, index);
  SendGrant(record, index);
}

void Core::Impl::SendGrant(BuildRecord& record, int index) {
  Step& step = record.build.steps[index];
  const absl::Duration step_left =
      Limit(step.definition.timeout) - SinceNotNegative(record.tracks[index].clock_at, now_);
  const absl::Duration total_left = TotalLeft(record);
  record.tracks[index].total_is_nearer = total_left <= step_left;
  // A grant that is sent again may find the clock run out: the agent then ends the step at once.
  const absl::Duration left = std::max(std::min(step_left, total_left), absl::Milliseconds(1));
  const Agent* agent = agents_.Find(step.agent);
  if (agent != nullptr && agent->session != 0) {
    SendStartGrant grant{step.agent, KeyOf(record, index), step.input, left, {}};
    if (step.definition.rerun == Rerun::kExclusive) {
      grant.exclusive_lease = exclusive_lease_;
      StepTrack& track = record.tracks[index];
      track.lease = std::max(track.lease, exclusive_lease_);
    }
    Emit(std::move(grant));
  }
  if (step.agent_lost) return;
  timers_.Arm({record.number, index, ""}, now_ + left + kResultSlack);
}

void Core::Impl::EmitPrepare(const BuildRecord& record, int index) {
  const Step& step = record.build.steps[index];
  const Agent* agent = agents_.Find(step.agent);
  if (agent == nullptr || agent->session == 0) return;
  SendPrepare prepare{step.agent, KeyOf(record, index), step.definition.spec, "", step.input};
  auto digest = record.build.image_digests.find(step.definition.spec.image);
  if (digest != record.build.image_digests.end()) prepare.image_digest = digest->second;
  Emit(std::move(prepare));
}

void Core::Impl::EmitCancel(const BuildRecord& record, int index, bool discard) {
  const Step& step = record.build.steps[index];
  const Agent* agent = agents_.Find(step.agent);
  // Without a session the verdict on its next Hello tells it.
  if (agent == nullptr || agent->session == 0) return;
  Emit(SendCancel{step.agent, KeyOf(record, index), discard});
}

void Core::Impl::BeginAttempt(BuildRecord& record, int index, const std::string& agent,
                              bool early) {
  Step& step = record.build.steps[index];
  StepTrack& track = record.tracks[index];
  ++step.attempt;
  step.agent = agent;
  step.early = early;
  step.prepared = false;
  step.granted = false;
  step.oom_killed = false;
  step.log_end = 0;
  step.phases = PhaseTimes();
  step.assigned_at = now_;
  step.started_at = absl::InfinitePast();
  track.result_accepted = false;
  track.total_is_nearer = false;
  track.lease = absl::ZeroDuration();
  track.disk_lost = false;
  agents_.Bind(agent, {record.number, index}, early);
  const std::string& image = step.definition.spec.image;
  if (IsTag(image) && record.build.image_digests.count(image) == 0) record.resolving[image] = index;
  if (!early) HoldSlot(record, index);
  EmitPrepare(record, index);
  ArmStepTimer(record, index);
  UpdateLive(record, index);
  UpdateCandidate(record, index);
  ExplainWaiting(record, index);
  Touch(record);
}

void Core::Impl::PromoteEarly(BuildRecord& record, int index) {
  Step& step = record.build.steps[index];
  agents_.Promote(step.agent, {record.number, index});
  step.early = false;
  HoldSlot(record, index);
  UpdateLookAhead(record, index, 0);
  UpdateLive(record, index);
  ArmStepTimer(record, index);
  ExplainWaiting(record, index);
  Touch(record);
  GrantIfPossible(record, index);
}

void Core::Impl::HoldSlot(BuildRecord& record, int index) {
  Step& step = record.build.steps[index];
  StepTrack& track = record.tracks[index];
  Dequeue(record, index);
  step.status = StepStatus::kAssigned;
  step.assigned_at = now_;
  track.clock_at = now_;
  step.phases.queued = SinceNotNegative(track.queued_at, now_);
  if (record.build.started_at == absl::InfiniteFuture()) {
    record.build.started_at = now_;
    if (record.build.total_timeout > absl::ZeroDuration()) {
      timers_.Arm({record.number, -1, ""}, now_ + record.build.total_timeout);
    }
  }
}

void Core::Impl::DropAttempt(BuildRecord& record, int index) {
  Step& step = record.build.steps[index];
  agents_.Unbind(step.agent, {record.number, index}, step.early);
  timers_.Disarm({record.number, index, ""});
  step.early = false;
  step.agent_lost = false;
  step.activity.clear();
  record.tracks[index].lost_because.clear();
  UpdateLookAhead(record, index, 0);
  StopResolving(record, index);
}

void Core::Impl::ReleaseEarly(BuildRecord& record, int index, bool tell_agent) {
  Step& step = record.build.steps[index];
  if (tell_agent) EmitCancel(record, index, /*discard=*/true);
  DropAttempt(record, index);
  step.prepared = false;
  step.agent.clear();
  step.assigned_at = absl::InfinitePast();
  UpdateLive(record, index);
  UpdateCandidate(record, index);
  ExplainWaiting(record, index);
  Touch(record);
}

// Back to the queue. The number of the attempt stays used.
void Core::Impl::Requeue(BuildRecord& record, int index) {
  Step& step = record.build.steps[index];
  if (record.build.status != BuildStatus::kRunning) {
    Settle(record, index, StepStatus::kCancelled, std::nullopt, record.build.reason);
    return;
  }
  DropAttempt(record, index);
  step.status = StepStatus::kReady;
  step.agent.clear();
  step.prepared = false;
  step.granted = false;
  step.started_at = absl::InfinitePast();
  record.tracks[index].queued_at = now_;
  UpdateLive(record, index);
  Enqueue(record, index);
  Touch(record);
}

void Core::Impl::FailOnHost(BuildRecord& record, int index, const std::string& what) {
  Step& step = record.build.steps[index];
  ++step.infrastructure_failures;
  step.avoid_agent = step.agent;
  if (step.infrastructure_failures >= options_.max_attempts) {
    Settle(
        record, index, StepStatus::kErrored, kErroredCode,
        absl::StrCat(what, "; it was tried ", step.infrastructure_failures,
                     step.infrastructure_failures == 1 ? " time" : " times", " and is given up"));
    return;
  }
  step.warnings.push_back(absl::StrCat("attempt ", step.attempt, ": ", what));
  Requeue(record, index);
}

}  // namespace rally::core
