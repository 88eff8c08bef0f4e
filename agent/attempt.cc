#include "agent/attempt.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "agent/attempt_name.h"
#include "glog/logging.h"
#include "google/protobuf/util/time_util.h"

// What others say to an attempt, and what it says about itself. What its thread does is in
// attempt_work.cc.
namespace rally::agent {
namespace {

// After SIGKILL, until it's sent again.
constexpr absl::Duration kKillAgain = absl::Seconds(5);

Phase PhaseAfter(Recovery recovery) {
  switch (recovery) {
    case Recovery::kKeepPrepared:
    case Recovery::kDiscard:
      return Phase::kPrepared;
    case Recovery::kAdopt:
    case Recovery::kReportGone:
    case Recovery::kReportReboot:
      return Phase::kRunning;
    case Recovery::kResend:
      return Phase::kEnded;
  }
  return Phase::kRunning;
}

v1::AttemptState ToProto(Phase phase) {
  switch (phase) {
    case Phase::kPreparing:
      return v1::ATTEMPT_STATE_PREPARING;
    case Phase::kPrepared:
      return v1::ATTEMPT_STATE_PREPARED;
    case Phase::kStarting:
      return v1::ATTEMPT_STATE_STARTING;
    case Phase::kRunning:
      return v1::ATTEMPT_STATE_RUNNING;
    case Phase::kEnded:
      return v1::ATTEMPT_STATE_ENDED;
  }
  return v1::ATTEMPT_STATE_UNSPECIFIED;
}

}  // namespace

Attempt::Attempt(const AttemptTools& tools, const v1::Prepare& prepare, OnLeft on_left)
    : tools_(tools),
      key_(prepare.key()),
      name_(AttemptName(prepare.key())),
      on_left_(std::move(on_left)) {
  record_.set_state(v1::ATTEMPT_STATE_PREPARING);
  *record_.mutable_prepare() = prepare;
}

Attempt::Attempt(const AttemptTools& tools, const v1::AttemptRecord& record, Recovery recovery,
                 OnLeft on_left)
    : tools_(tools),
      key_(record.prepare().key()),
      name_(AttemptName(record.prepare().key())),
      recovery_(recovery),
      on_left_(std::move(on_left)),
      record_(record),
      phase_(PhaseAfter(recovery)) {
  if (phase_ == Phase::kPrepared) {
    // A grant that wasn't used is void: the controller gives it again.
    record_.set_state(v1::ATTEMPT_STATE_PREPARED);
    record_.clear_grant();
    record_.clear_deadline_boot_ns();
    record_.clear_heard_boot_ns();
    return;
  }
  granted_ = true;
  process_started_ = true;
  ending_ = record.ending();
  ending_grace_ = tools.limits.kill_grace;
}

Attempt::~Attempt() { Join(); }

void Attempt::Start(std::function<void()> first) {
  thread_ = std::thread([this, first = std::move(first)] {
    if (first) first();
    Run();
  });
}

void Attempt::Join() {
  if (thread_.joinable()) thread_.join();
}

Response Attempt::OnPrepare() {
  Response response;
  {
    absl::MutexLock lock(&mutex_);
    response = Respond(phase_, granted_, ending_ != 0, Order::kPrepare);
  }
  if (response == Response::kReportAgain) Report();
  return response;
}

Response Attempt::OnStartGrant(const v1::StartGrant& grant) {
  Response response;
  int64_t deadline = 0;
  bool came_too_late = false;
  {
    absl::MutexLock lock(&mutex_);
    response = Respond(phase_, granted_, ending_ != 0, Order::kStartGrant);
    if (response == Response::kAcceptGrant) {
      deadline = BootNanos() +
                 google::protobuf::util::TimeUtil::DurationToNanoseconds(grant.timeout_left());
      *record_.mutable_grant() = grant;
      record_.set_deadline_boot_ns(deadline);
      record_.set_heard_boot_ns(tools_.contact->boot_nanos());
      granted_ = true;
      // It was long under way: somebody else may have the step by now.
      came_too_late = LeaseIsOut();
      if (came_too_late) ending_ = v1::END_KIND_ERRORED;
    }
  }
  if (came_too_late) making_.Cancel();
  if (response == Response::kAcceptGrant) {
    ArmDeadline(deadline);
    tools_.clock->CallAfter(absl::ZeroDuration(), [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->WatchLease();
    });
  }
  if (response == Response::kReportAgain) Report();
  return response;
}

Response Attempt::OnCancel(const v1::Cancel& cancel) {
  Response response;
  {
    absl::MutexLock lock(&mutex_);
    // Once the process has ended, it's the capture that can be ended.
    response = Respond(phase_, granted_, ending_ != 0 && !process_ended_,
                       cancel.discard() ? Order::kDiscard : Order::kCancel);
  }
  switch (response) {
    case Response::kReportAgain:
      Report();
      break;
    case Response::kDrop:
      Drop();
      break;
    case Response::kEndBeforeStart:
    case Response::kEndProcess: {
      const absl::Duration grace =
          cancel.has_grace()
              ? absl::Nanoseconds(
                    google::protobuf::util::TimeUtil::DurationToNanoseconds(cancel.grace()))
              : tools_.limits.kill_grace;
      // On the clock's thread, since it talks to containerd.
      tools_.clock->CallAfter(absl::ZeroDuration(), [weak = weak_from_this(), grace] {
        if (auto self = weak.lock()) self->BeginEnding(v1::END_KIND_CANCELLED, grace);
      });
      break;
    }
    case Response::kIgnore:
    case Response::kAcceptGrant:
    case Response::kForget:
      break;
  }
  return response;
}

Response Attempt::OnResultAck() {
  absl::MutexLock lock(&mutex_);
  const Response response = Respond(phase_, granted_, ending_ != 0, Order::kResultAck);
  if (response == Response::kForget) result_acked_ = true;
  return response;
}

void Attempt::OnLogDurable() {
  absl::MutexLock lock(&mutex_);
  log_durable_ = true;
}

void Attempt::Detach() {
  {
    absl::MutexLock lock(&mutex_);
    detached_ = true;
  }
  making_.Cancel();
  watching_.Cancel();
}

void Attempt::Drop() {
  {
    absl::MutexLock lock(&mutex_);
    if (dropped_) return;
    dropped_ = true;
  }
  LOG(INFO) << LogPrefix(key_) << "is given up: no result is wanted";
  making_.Cancel();
  watching_.Cancel();
}

void Attempt::ArmDeadline(int64_t boot_nanos) {
  tools_.clock->CallAt(boot_nanos, [weak = weak_from_this()] {
    if (auto self = weak.lock()) {
      self->BeginEnding(v1::END_KIND_TIMED_OUT, self->tools_.limits.kill_grace);
    }
  });
}

// Whoever comes first decides what the end is called: the process, the deadline, or a cancellation;
// but a cancellation still ends the capture of what the process left.
void Attempt::BeginEnding(v1::EndKind kind, absl::Duration grace) {
  bool started, ended;
  {
    absl::MutexLock lock(&mutex_);
    if (phase_ == Phase::kEnded || dropped_ || detached_) return;
    ended = process_ended_;
    const bool too_late = ended ? kind != v1::END_KIND_CANCELLED : ending_ != 0;
    if (too_late) return;
    ending_ = kind;
    ending_grace_ = grace;
    started = process_started_;
    record_.set_ending(kind);
    if (ended) ++pauses_over_;  // Another try of the capture sees that nobody wants it.
  }
  LOG(INFO) << LogPrefix(key_)
            << (kind == v1::END_KIND_TIMED_OUT ? "its time is over"
                : kind == v1::END_KIND_ERRORED ? "its lease is out"
                                               : "is being cancelled");
  if (!started) {
    making_.Cancel();
    return;
  }
  // So that a restarted agent knows why the process ended. Ending it matters more than this.
  if (absl::Status status = Persist(); !status.ok()) LOG(ERROR) << LogPrefix(key_) << status;
  if (ended) {
    watching_.Cancel();
  } else {
    Terminate(grace);
  }
}

void Attempt::Terminate(absl::Duration grace) {
  if (absl::Status status = tools_.runtime->Signal(name_, SIGTERM, /*all=*/false); !status.ok()) {
    LOG(WARNING) << LogPrefix(key_) << "SIGTERM: " << status;
  }
  tools_.clock->CallAfter(grace, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->Kill();
  });
}

void Attempt::Kill() {
  {
    absl::MutexLock lock(&mutex_);
    if (process_ended_ || left_ || dropped_ || detached_) return;
  }
  if (absl::Status status = tools_.runtime->Signal(name_, SIGKILL, /*all=*/true); !status.ok()) {
    LOG(WARNING) << LogPrefix(key_) << "SIGKILL: " << status;
  }
  tools_.clock->CallAfter(kKillAgain, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->Kill();
  });
}

void Attempt::Report() {
  v1::AgentMessage message;
  {
    absl::MutexLock lock(&mutex_);
    if (dropped_) return;
    switch (phase_) {
      case Phase::kPreparing:
      case Phase::kStarting:
        return;
      case Phase::kPrepared: {
        if (left_) return;
        v1::Prepared* prepared = message.mutable_prepared();
        *prepared->mutable_key() = key_;
        prepared->set_image_digest(record_.image_digest());
        *prepared->mutable_pulling() = record_.pulling();
        *prepared->mutable_creating() = record_.creating();
        break;
      }
      case Phase::kRunning:
        // What is found gone after a restart has a result soon.
        if (recovery_ == Recovery::kReportGone || recovery_ == Recovery::kReportReboot) return;
        *message.mutable_started()->mutable_key() = key_;
        *message.mutable_started()->mutable_restoring() = record_.restoring();
        break;
      case Phase::kEnded:
        if (result_acked_) return;
        *message.mutable_result() = record_.result();
        break;
    }
  }
  tools_.outbox->Send(std::move(message));
}

std::string Attempt::activity() const {
  absl::MutexLock lock(&mutex_);
  return activity_;
}

void Attempt::SetActivity(std::string activity) {
  absl::MutexLock lock(&mutex_);
  activity_ = std::move(activity);
}

v1::AttemptReport Attempt::Summary() const {
  absl::MutexLock lock(&mutex_);
  v1::AttemptReport report;
  *report.mutable_key() = key_;
  report.set_state(ToProto(phase_));
  report.set_log_end(phase_ == Phase::kEnded ? record_.result().log_end()
                     : log_ != nullptr       ? log_->spool().end_offset()
                                             : 0);
  return report;
}

Phase Attempt::phase() const {
  absl::MutexLock lock(&mutex_);
  return phase_;
}

bool Attempt::granted() const {
  absl::MutexLock lock(&mutex_);
  return granted_;
}

bool Attempt::forgettable() const {
  absl::MutexLock lock(&mutex_);
  return left_ && phase_ == Phase::kEnded && result_acked_ && log_durable_;
}

bool Attempt::left() const {
  absl::MutexLock lock(&mutex_);
  return left_;
}

void Attempt::ReleaseLog() {
  std::shared_ptr<logs::AttemptLog> log;
  absl::MutexLock lock(&mutex_);
  log.swap(log_);
}

v1::AttemptRecord Attempt::record() const {
  absl::MutexLock lock(&mutex_);
  return record_;
}

bool Attempt::StopWanted() const {
  absl::MutexLock lock(&mutex_);
  return dropped_ || detached_ || (ending_ != 0 && !process_started_);
}

absl::Status Attempt::Persist() {
  absl::MutexLock ordered(&persist_mutex_);
  return tools_.journal->Put(record());
}

bool Attempt::Pause(int tries) {
  const absl::Duration pause =
      std::min(tools_.limits.first_retry_pause * (1 << std::min(tries, 16)),
               tools_.limits.longest_retry_pause);
  int mine;
  {
    absl::MutexLock lock(&mutex_);
    mine = pauses_over_ + 1;
  }
  // On the boot clock: setting the wall clock doesn't make it longer.
  tools_.clock->CallAfter(pause, [weak = weak_from_this(), mine] {
    if (auto self = weak.lock()) {
      absl::MutexLock lock(&self->mutex_);
      self->pauses_over_ = std::max(self->pauses_over_, mine);
    }
  });
  absl::MutexLock lock(&mutex_);
  auto over = [this, mine]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return pauses_over_ >= mine || dropped_ || detached_ || (ending_ != 0 && !process_started_);
  };
  mutex_.Await(absl::Condition(&over));
  const bool go_on = pauses_over_ >= mine;
  pauses_over_ = std::max(pauses_over_, mine);
  return go_on;
}

}  // namespace rally::agent
