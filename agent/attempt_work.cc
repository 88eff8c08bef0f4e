#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/attempt.h"
#include "agent/attempt_name.h"
#include "agent/failure.h"
#include "agent/start_report.h"
#include "glog/logging.h"
#include "google/protobuf/util/time_util.h"

// What the thread of an attempt does, but for the way to the running process, which is in
// attempt_preparation.cc.
namespace rally::agent {
namespace {

constexpr int kWaitTries = 20;  // When containerd answers, but not with an exit.
constexpr absl::Duration kFirstFinishTimeout = absl::Seconds(1);
constexpr absl::Duration kFinishTimeout = absl::Seconds(5);
constexpr int kFinishTries = 12;

void AddMissing(const std::vector<blob::Digest>& missing, v1::Result* result) {
  for (const blob::Digest& digest : missing) {
    v1::Digest* proto = result->add_missing();
    proto->set_hash(digest.hash);
    proto->set_size_bytes(digest.size_bytes);
  }
}

}  // namespace

Attempt::Failure::Failure(const absl::Status& status, std::string doing)
    : Failure(status, std::move(doing), CauseOf(status) != v1::REJECT_CAUSE_PERMANENT) {}

google::protobuf::Duration Attempt::SinceBootTime(int64_t nanos) {
  return google::protobuf::util::TimeUtil::NanosecondsToDuration(BootNanos() - nanos);
}

void Attempt::Run() {
  Left left = Work();
  {
    absl::MutexLock lock(&mutex_);
    // An order to drop it that came meanwhile found the thread still here, and left it to it.
    if (dropped_) left = Left::kDropped;
    left_ = true;
  }
  on_left_(shared_from_this(), left);
  if (left == Left::kEnded) Report();
  if (prefetch_.joinable()) prefetch_.join();
}

Attempt::Left Attempt::Work() {
  if (!recovery_.has_value()) {
    if (auto failure = Prepare()) return GiveUp(*failure);
  } else {
    const auto no_log = OpenLog(absl::nullopt);
    if (no_log) LOG(ERROR) << LogPrefix(key_) << no_log->doing << ": " << no_log->status;
    switch (*recovery_) {
      case Recovery::kDiscard:
        return Left::kRejected;
      case Recovery::kKeepPrepared:
        if (no_log) return GiveUp(*no_log);
        break;
      case Recovery::kAdopt: {
        const v1::AttemptRecord found = record();
        if (found.ending() != 0) {
          Terminate(tools_.limits.kill_grace);
        } else {
          ArmDeadline(found.deadline_boot_ns());
          tools_.clock->CallAfter(absl::ZeroDuration(), [weak = weak_from_this()] {
            if (auto self = weak.lock()) self->WatchLease();
          });
        }
        return Supervise();
      }
      case Recovery::kReportGone:
      case Recovery::kReportReboot: {
        v1::Result result = NewResult(v1::END_KIND_ERRORED);
        result.set_may_retry(true);
        result.set_message(*recovery_ == Recovery::kReportReboot
                               ? "the host was rebooted while the step ran"
                               : "the step's processes were gone when the agent came back: "
                                 "somebody removed its container");
        result.set_log_end(FinishLog());
        return End(std::move(result));
      }
      case Recovery::kResend:
        return Left::kEnded;
    }
  }
  if (!AwaitGrant()) return GiveUp(Failure(absl::CancelledError(), "waiting to be started"));
  if (auto failure = Begin()) return GiveUp(*failure);
  return Supervise();
}

bool Attempt::AwaitGrant() {
  absl::MutexLock lock(&mutex_);
  auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return granted_ || ending_ != 0 || dropped_ || detached_;
  };
  mutex_.Await(absl::Condition(&ready));
  return granted_ && ending_ == 0 && !dropped_ && !detached_;
}

absl::StatusOr<runtime::ContainerExit> Attempt::AwaitExit() {
  int odd_answers = 0;
  for (int tries = 0;; ++tries) {
    auto exit = tools_.runtime->Wait(name_, &watching_);
    if (exit.ok() || absl::IsNotFound(exit.status()) || absl::IsCancelled(exit.status())) {
      return exit;
    }
    if (!absl::IsUnavailable(exit.status()) && ++odd_answers >= kWaitTries) return exit;
    LOG_IF(WARNING, tries == 0) << LogPrefix(key_) << "waiting for its end: " << exit.status();
    if (!Pause(tries)) return absl::CancelledError();
  }
}

Attempt::Left Attempt::Supervise() {
  const absl::StatusOr<runtime::ContainerExit> exit = AwaitExit();
  v1::EndKind ending;
  bool dropped, detached;
  {
    absl::MutexLock lock(&mutex_);
    process_ended_ = true;
    ending = ending_;
    dropped = dropped_;
    detached = detached_;
  }
  if (dropped) return Left::kDropped;
  if (detached) return Left::kDetached;
  v1::Result result = NewResult(ending != 0 ? ending : v1::END_KIND_EXITED);
  if (ending == v1::END_KIND_ERRORED) {
    result.set_may_retry(true);
    result.set_message(DescribeLease());
  }
  const int64_t started = record().started_boot_ns();
  if (started != 0) *result.mutable_running() = SinceBootTime(started);
  if (!exit.ok()) {
    if (ending == 0) {
      result.set_kind(v1::END_KIND_ERRORED);
      result.set_may_retry(true);
      result.set_message(
          absl::IsNotFound(exit.status())
              ? "the step's processes disappeared without an exit code: its "
                "container was removed or its containerd shim was killed"
              : absl::StrCat("containerd can't say how the step ended: ", exit.status().message()));
    }
    result.set_log_end(FinishLog());
    return End(std::move(result));
  }
  if (ending == 0 && NoteFailedStart(&result)) {
    result.set_log_end(FinishLog());
    return End(std::move(result));
  }
  result.set_exit_code(exit->exit_code);
  result.set_oom_killed(exit->oom_killed);
  LOG(INFO) << LogPrefix(key_) << "its process ended with exit code " << exit->exit_code
            << (exit->oom_killed ? " (out of memory)" : "");
  result.set_log_end(FinishLog());
  if (ending != v1::END_KIND_CANCELLED && ending != v1::END_KIND_ERRORED) Capture(*exit, &result);
  return End(std::move(result));
}

bool Attempt::NoteFailedStart(v1::Result* result) {
  const absl::optional<StartFailure> failure =
      ReadStartFailure(tools_.data->start_report(name_), record().start_secret());
  if (!failure.has_value()) return false;
  result->set_kind(v1::END_KIND_ERRORED);
  result->set_never_started(true);
  result->set_may_retry(failure->may_retry);
  result->set_message(absl::StrCat("starting the step's process: ", failure->message));
  return true;
}

int64_t Attempt::FinishLog() {
  std::shared_ptr<logs::AttemptLog> log;
  {
    absl::MutexLock lock(&mutex_);
    log = log_;
  }
  if (log == nullptr) return 0;
  absl::StatusOr<int64_t> end;
  for (int tries = 0; tries < kFinishTries; ++tries) {
    end = log->Finish(tries == 0 ? kFirstFinishTimeout : kFinishTimeout);
    if (end.ok()) return *end;
    if (!absl::IsDeadlineExceeded(end.status()) || StopWanted()) break;
    // The step is over: what it filled the disk with doesn't grow any more.
    tools_.data->SpendReserveIfFull();
    // The shim may hold on to the FIFOs; it lets go when the container is deleted.
    if (tries == kFinishTries - 2) tools_.runtime->Delete(name_).IgnoreError();
  }
  LOG(ERROR) << LogPrefix(key_) << "its log could not be read to the end: " << end.status();
  const int64_t reached = log->spool().end_offset();
  tools_.logs->CloseAt(key_, reached);
  return reached;
}

void Attempt::Capture(const runtime::ContainerExit& exit, v1::Result* result) {
  const int64_t begin = BootNanos();
  absl::StatusOr<workspace::WorkspaceStore::CaptureResult> captured;
  for (int tries = 0;; ++tries) {
    const absl::Time deadline = absl::Now() + tools_.limits.capture_bound;
    captured = tools_.workspaces->Capture(name_, {deadline, &watching_});
    // A blob store that hangs ends single calls, long before the time for all is over.
    const bool may_pass = IsTransient(captured.status()) ||
                          (absl::IsDeadlineExceeded(captured.status()) && absl::Now() < deadline);
    // However long the controller or the store is away, what the step made isn't given up.
    if (captured.ok() || !may_pass || !Pause(tries)) break;
    LOG_IF(WARNING, tries == 0) << LogPrefix(key_) << "capturing: " << captured.status();
  }
  *result->mutable_capturing() = SinceBootTime(begin);
  if (captured.ok()) {
    result->mutable_output()->set_hash(captured->output_root.hash);
    result->mutable_output()->set_size_bytes(captured->output_root.size_bytes);
    for (const std::string& warning : captured->warnings) result->add_warnings(warning);
    return;
  }
  bool cancelled;
  {
    absl::MutexLock lock(&mutex_);
    cancelled = ending_ == v1::END_KIND_CANCELLED;
  }
  if (cancelled) {
    result->set_kind(v1::END_KIND_CANCELLED);
    result->set_message(absl::StrCat("cancelled while its workspace was captured; the step had ",
                                     "ended with exit code ", exit.exit_code));
    return;
  }
  result->set_kind(v1::END_KIND_ERRORED);
  result->set_may_retry(OtherHostMayCapture(captured.status()));
  AddMissing(FindLost(captured.status()), result);
  result->set_message(
      absl::StrCat("the step ended with exit code ", exit.exit_code,
                   ", but its workspace could not be captured: ", captured.status().message()));
  if (absl::IsDeadlineExceeded(captured.status())) {
    absl::StrAppend(result->mutable_message(), " (it may take ",
                    absl::FormatDuration(tools_.limits.capture_bound), ")");
  }
}

v1::Result Attempt::NewResult(v1::EndKind kind) const {
  v1::Result result;
  *result.mutable_key() = key_;
  result.set_kind(kind);
  return result;
}

Attempt::Left Attempt::GiveUp(const Failure& failure) {
  bool granted, started;
  v1::EndKind ending;
  {
    absl::MutexLock lock(&mutex_);
    if (dropped_) return Left::kDropped;
    if (detached_) return Left::kDetached;
    granted = granted_;
    started = process_started_;
    ending = ending_;
  }
  const std::string message = absl::StrCat(failure.doing, ": ", failure.status.message());
  if (ending == 0 && !granted) {
    v1::AgentMessage rejection;
    *rejection.mutable_rejected()->mutable_key() = key_;
    rejection.mutable_rejected()->set_cause(failure.may_retry ? v1::REJECT_CAUSE_HERE
                                                              : v1::REJECT_CAUSE_PERMANENT);
    rejection.mutable_rejected()->set_message(message);
    LOG(WARNING) << LogPrefix(key_) << "rejected: " << message;
    tools_.outbox->Send(std::move(rejection));
    return Left::kRejected;
  }
  v1::Result result = NewResult(ending != 0 ? ending : v1::END_KIND_ERRORED);
  result.set_never_started(!started);
  if (ending == 0) {
    result.set_may_retry(failure.may_retry);
    result.set_message(message);
    AddMissing(failure.missing, &result);
  } else if (ending == v1::END_KIND_ERRORED) {
    result.set_may_retry(true);
    result.set_message(DescribeLease());
  } else {
    result.set_message(absl::StrCat(ending == v1::END_KIND_TIMED_OUT
                                        ? "the step's time was over before its process started, "
                                        : "cancelled before its process started, ",
                                    "while ", failure.doing));
  }
  if (started) {
    // Nobody knows whether it runs: it must not when the result says that it's over.
    tools_.runtime->Delete(name_).IgnoreError();
    result.set_log_end(FinishLog());
  } else {
    OnLogDurable();  // There is nothing in it.
  }
  return End(std::move(result));
}

Attempt::Left Attempt::End(v1::Result result) {
  {
    absl::MutexLock lock(&mutex_);
    if (dropped_) return Left::kDropped;
    // Then a capture was cut short; the next process does it again.
    if (detached_ && result.kind() == v1::END_KIND_ERRORED) return Left::kDetached;
    record_.set_state(v1::ATTEMPT_STATE_ENDED);
    *record_.mutable_result() = result;
  }
  for (int tries = 0;; ++tries) {
    const absl::Status status = Persist();
    if (status.ok()) break;
    LOG_IF(ERROR, tries == 0) << LogPrefix(key_) << "its result can't be kept yet: " << status;
    if (absl::IsResourceExhausted(status)) tools_.data->SpendReserve();
    if (!Pause(tries)) {
      absl::MutexLock lock(&mutex_);
      return dropped_ ? Left::kDropped : Left::kDetached;
    }
  }
  {
    absl::MutexLock lock(&mutex_);
    phase_ = Phase::kEnded;
  }
  LOG(INFO) << LogPrefix(key_) << "ended: " << v1::EndKind_Name(result.kind()) << " "
            << result.exit_code() << (result.message().empty() ? "" : ", ") << result.message();
  return Left::kEnded;
}

}  // namespace rally::agent
