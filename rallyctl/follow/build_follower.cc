#include "rallyctl/follow/build_follower.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/status.h"
#include "rallyctl/render/status_words.h"
#include "rallyctl/render/text.h"

namespace rally::rallyctl {
namespace {

// A stream that lives this long is begun again, unnoticed; every call has a deadline.
constexpr absl::Duration kStreamDeadline = absl::Hours(1);
// Logs followed at the same time. More wait until one of these is complete.
constexpr size_t kMaxLogStreams = 512;
// Events handled before what they changed is shown, when they don't stop coming.
constexpr int kMaxEventsPerFlush = 256;

// What a controller that stops, restarts or hands over leaves behind.
bool IsTransient(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::OK:  // a stream that ended early
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return true;
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNKNOWN:
      // gRPC's own words for a stream that the transport broke.
      return status.error_message().find("RST_STREAM") != std::string::npos ||
             status.error_message().find("Stream removed") != std::string::npos;
    default:
      return false;
  }
}

}  // namespace

BuildFollower::BuildFollower(v1::BuildService::Stub* stub, FollowOptions options,
                             FollowListener* listener)
    : stub_(stub),
      options_(std::move(options)),
      listener_(listener),
      max_log_streams_(kMaxLogStreams) {}

BuildFollower::~BuildFollower() { Drain(); }

void BuildFollower::Interrupt() {
  absl::MutexLock lock(&interrupt_mu_);
  if (interrupted_.exchange(true)) return;
  interrupt_alarm_.Set(&queue_, gpr_time_0(GPR_CLOCK_REALTIME),
                       static_cast<CompletionTag*>(&wakeup_));
}

absl::StatusOr<v1::Build> BuildFollower::Run() {
  last_progress_ = absl::Now();
  StartWatch();
  while (true) {
    absl::Time now = absl::Now();
    StartDueRetries(now);
    if (interrupted_) return absl::CancelledError("interrupted");
    if (!fatal_.ok()) return fatal_;
    if (Finished(now)) break;
    for (int i = 0; i < kMaxEventsPerFlush && HandleEvent(absl::InfinitePast()); ++i) {
      now = absl::Now();
    }
    listener_->Flush(now);
    // The wake-up of an interrupt may have been among what was just handled.
    if (Finished(now) || !fatal_.ok() || interrupted_) continue;
    HandleEvent(NextWakeup(now));
  }
  listener_->Flush(absl::Now());
  return build_;
}

bool BuildFollower::HandleEvent(absl::Time deadline) {
  void* tag = nullptr;
  bool ok = false;
  const auto got =
      deadline == absl::InfiniteFuture()
          ? queue_.AsyncNext(&tag, &ok, gpr_inf_future(GPR_CLOCK_REALTIME))
          : queue_.AsyncNext(&tag, &ok, absl::ToChronoTime(std::max(deadline, absl::UnixEpoch())));
  if (got != grpc::CompletionQueue::GOT_EVENT) return false;
  static_cast<CompletionTag*>(tag)->Complete(ok);
  return true;
}

void BuildFollower::StartWatch() {
  watch_retry_at_ = absl::InfiniteFuture();
  v1::WatchBuildRequest request;
  request.set_build_id(options_.build_id);
  watch_ = std::make_unique<WatchStream>(
      &queue_, kStreamDeadline,
      [&](grpc::ClientContext* context, grpc::CompletionQueue* queue, void* tag) {
        return stub_->AsyncWatchBuild(context, request, queue, tag);
      },
      [this](v1::Build build) { OnBuild(std::move(build)); },
      [this](const grpc::Status& status) { OnWatchEnd(status); });
}

void BuildFollower::OnBuild(v1::Build build) {
  if (draining_) return;
  OnSuccess();
  watch_backoff_.Reset();
  const bool first = !has_build_;
  has_build_ = true;
  build_ = std::move(build);
  const int known_steps = static_cast<int>(logs_.size());
  if (build_.steps_size() > known_steps) {
    logs_.resize(build_.steps_size());
    incomplete_steps_ += build_.steps_size() - known_steps;
  }
  if (first) {
    // Of a build that has ended, one log after the other reads better than all of them mixed.
    if (HasEnded(build_.status())) max_log_streams_ = 1;
  }
  listener_->OnBuild(build_, absl::Now());
  for (int i = 0; i < build_.steps_size(); ++i) {
    const v1::Step& step = build_.steps(i);
    StepLog& log = logs_[i];
    if (step.attempt() > log.attempt) {
      // What an attempt that was given up still says isn't part of this build's story.
      if (log.stream != nullptr) log.stream->Cancel();
      const bool queued = log.queued;
      log = StepLog();
      log.attempt = step.attempt();
      log.queued = queued;
    }
    if (WantsLog(i) && !log.delivered && !log.queued && log.stream == nullptr &&
        log.retry_at == absl::InfiniteFuture()) {
      log.queued = true;
      log_queue_.push_back(i);
    }
    FinishLogIfDelivered(i);
  }
  StartQueuedLogs();
}

void BuildFollower::OnWatchEnd(const grpc::Status& status) {
  watch_.reset();
  if (draining_ || (has_build_ && HasEnded(build_.status()))) return;
  if (!IsTransient(status)) {
    fatal_ = rpc::FromGrpc(status);
    return;
  }
  if (status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) OnFailure(status);
  watch_retry_at_ = absl::Now() + watch_backoff_.Next();
}

bool BuildFollower::WantsLog(int step_index) const {
  const v1::Step& step = build_.steps(step_index);
  if (!options_.with_logs || step.attempt() == 0) return false;
  if (!options_.only_step.empty() && step.id() != options_.only_step) return false;
  switch (step.status()) {
    case v1::STEP_STATUS_ASSIGNED:  // so that its first byte finds a reader
    case v1::STEP_STATUS_RUNNING:
      return true;
    default:
      return HasEnded(step.status()) && step.log_bytes() > logs_[step_index].next_offset;
  }
}

void BuildFollower::StartQueuedLogs() {
  while (!log_queue_.empty() && log_streams_.size() < max_log_streams_) {
    const int step = log_queue_.front();
    log_queue_.pop_front();
    logs_[step].queued = false;
    if (!logs_[step].delivered && logs_[step].stream == nullptr) StartLog(step);
  }
}

void BuildFollower::StartLog(int step) {
  StepLog& log = logs_[step];
  log.retry_at = absl::InfiniteFuture();
  v1::ReadLogRequest request;
  request.set_build_id(options_.build_id);
  request.set_step_id(build_.steps(step).id());
  request.set_attempt(log.attempt);
  request.set_offset(log.next_offset);
  request.set_follow(true);
  // The callbacks need to know their own stream, which exists only after they do.
  auto self = std::make_shared<LogStream*>(nullptr);
  log_streams_.push_back(std::make_unique<LogStream>(
      &queue_, kStreamDeadline,
      [&](grpc::ClientContext* context, grpc::CompletionQueue* queue, void* tag) {
        return stub_->AsyncReadLog(context, request, queue, tag);
      },
      [this, step, attempt = log.attempt](v1::LogChunk chunk) {
        OnLogChunk(step, attempt, std::move(chunk));
      },
      [this, step, self](const grpc::Status& status) { OnLogEnd(step, *self, status); }));
  *self = log_streams_.back().get();
  log.stream = *self;
}

void BuildFollower::OnLogChunk(int step, int attempt, v1::LogChunk chunk) {
  StepLog& log = logs_[step];
  if (draining_ || attempt != log.attempt || log.delivered) return;
  OnSuccess();
  log.backoff.Reset();
  for (v1::LogRecord& record : *chunk.mutable_records()) {
    const int64_t end = record.offset() + static_cast<int64_t>(record.data().size());
    if (end <= log.next_offset && !record.data().empty()) continue;
    if (record.offset() < log.next_offset) {
      // A stream that was begun again starts with the whole record that holds the offset.
      record.mutable_data()->erase(0, log.next_offset - record.offset());
      record.set_offset(log.next_offset);
    }
    log.next_offset = end;
    listener_->OnLog(step, attempt, record);
  }
  if (chunk.complete()) log.delivered = true;
  FinishLogIfDelivered(step);
}

void BuildFollower::FinishLogIfDelivered(int step) {
  const v1::Step& state = build_.steps(step);
  StepLog& log = logs_[step];
  if (log.announced || !HasEnded(state.status()) || state.attempt() > log.attempt) return;
  const bool wanted = options_.with_logs &&
                      (options_.only_step.empty() || state.id() == options_.only_step) &&
                      state.log_bytes() > log.next_offset;
  if (!wanted) log.delivered = true;
  if (!log.delivered) return;
  // The controller closes the stream as well; there is no reason to wait for it.
  if (log.stream != nullptr) log.stream->Cancel();
  log.announced = true;
  --incomplete_steps_;
  listener_->OnStepComplete(step);
}

void BuildFollower::ForgetStream(LogStream* stream) {
  log_streams_.erase(
      std::remove_if(log_streams_.begin(), log_streams_.end(),
                     [stream](const auto& candidate) { return candidate.get() == stream; }),
      log_streams_.end());
}

void BuildFollower::OnLogEnd(int step, LogStream* stream, const grpc::Status& status) {
  StepLog& log = logs_[step];
  const bool current = log.stream == stream;
  if (current) log.stream = nullptr;
  ForgetStream(stream);
  if (draining_) return;
  StartQueuedLogs();
  if (!current || log.delivered) return;
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
    // The attempt never wrote anything, or its log is gone.
    log.delivered = true;
    FinishLogIfDelivered(step);
    return;
  }
  if (!IsTransient(status)) {
    fatal_ = rpc::FromGrpc(status);
    return;
  }
  if (!status.ok() && status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) OnFailure(status);
  log.retry_at = absl::Now() + log.backoff.Next();
}

void BuildFollower::OnFailure(const grpc::Status& status) {
  if (outage_since_ != absl::InfiniteFuture()) return;
  outage_since_ = absl::Now();
  listener_->OnConnectionLost(rpc::FromGrpc(status));
}

void BuildFollower::OnSuccess() {
  last_progress_ = absl::Now();
  if (outage_since_ == absl::InfiniteFuture()) return;
  outage_since_ = absl::InfiniteFuture();
  listener_->OnConnectionRestored();
}

void BuildFollower::StartDueRetries(absl::Time now) {
  if (outage_since_ != absl::InfiniteFuture() && now - outage_since_ > options_.reconnect_bound) {
    fatal_ = absl::UnavailableError(
        absl::StrCat("the controller stayed away for ", DurationText(options_.reconnect_bound)));
    return;
  }
  if (watch_retry_at_ <= now) StartWatch();
  for (int i = 0; i < static_cast<int>(logs_.size()); ++i) {
    if (logs_[i].retry_at <= now) StartLog(i);
  }
}

absl::Time BuildFollower::NextWakeup(absl::Time now) const {
  absl::Time next = std::min(listener_->NextFlush(now), watch_retry_at_);
  for (const StepLog& log : logs_) next = std::min(next, log.retry_at);
  if (outage_since_ != absl::InfiniteFuture()) {
    next = std::min(next, outage_since_ + options_.reconnect_bound + absl::Milliseconds(1));
  }
  if (has_build_ && HasEnded(build_.status())) {
    next = std::min(next, last_progress_ + options_.log_grace + absl::Milliseconds(1));
  }
  return next;
}

bool BuildFollower::Finished(absl::Time now) const {
  if (!has_build_ || !HasEnded(build_.status())) return false;
  if (incomplete_steps_ == 0) return true;
  return outage_since_ == absl::InfiniteFuture() && now - last_progress_ > options_.log_grace;
}

void BuildFollower::Drain() {
  draining_ = true;
  if (watch_ != nullptr) watch_->Cancel();
  for (const auto& stream : log_streams_) stream->Cancel();
  // A queue that was shut down takes no more reads, so the streams end first.
  while (watch_ != nullptr || !log_streams_.empty()) HandleEvent(absl::InfiniteFuture());
  {
    absl::MutexLock lock(&interrupt_mu_);
    interrupt_alarm_.Cancel();
  }
  queue_.Shutdown();
  while (HandleEvent(absl::InfiniteFuture())) {
  }
}

}  // namespace rally::rallyctl
