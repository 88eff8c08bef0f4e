#include "agent/session.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/backoff.h"
#include "agent/step_clock.h"
#include "common/rpc/status.h"
#include "common/version.h"
#include "glog/logging.h"
#include "google/protobuf/util/time_util.h"

namespace rally::agent {
namespace {

constexpr int kProtocol = 1;
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
// A controller that was restarted is found within this and what gRPC adds; full jitter spreads a
// fleet over it.
constexpr absl::Duration kLongestPause = absl::Seconds(1);
constexpr absl::Duration kWelcomeTimeout = absl::Seconds(10);
constexpr absl::Duration kDefaultHeartbeat = absl::Seconds(2);
constexpr absl::Duration kShortestHeartbeat = absl::Milliseconds(10);
// A controller that answers no heartbeat for so long is gone, whatever TCP says.
constexpr absl::Duration kAckTimeout = absl::Seconds(15);
constexpr absl::Duration kReportResultsEvery = absl::Seconds(10);

int64_t SteadyNanos() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

}  // namespace

Session::Session(std::shared_ptr<grpc::Channel> channel, const Identity& identity, Journal* journal,
                 Executor* executor, Outbox* outbox, std::function<Health()> health)
    : stub_(v1::AgentService::NewStub(std::move(channel))),
      identity_(identity),
      journal_(journal),
      executor_(executor),
      outbox_(outbox),
      health_(std::move(health)) {}

Session::~Session() { Stop(); }

void Session::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Session::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    if (context_ != nullptr) context_->TryCancel();
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Session::CancelStream() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (context_ != nullptr) context_->TryCancel();
}

bool Session::Sleep(absl::Duration duration) {
  std::unique_lock<std::mutex> lock(mutex_);
  return !changed_.wait_for(lock, absl::ToChronoNanoseconds(duration),
                            [this] { return stopping_; });
}

void Session::Run() {
  Backoff backoff(kFirstPause, kLongestPause);
  std::string last_reason;
  do {
    const absl::Status ended = Converse();
    if (connected_.exchange(false)) {
      backoff.Reset();
      last_reason.clear();
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) return;
    }
    // The same reason every few seconds says nothing new.
    if (const std::string reason = ended.ToString(); reason != last_reason) {
      LOG(WARNING) << "no session with the controller: " << reason << "; dialling again";
      last_reason = reason;
    }
  } while (Sleep(backoff.Next()));
}

v1::AgentMessage Session::HelloMessage() const {
  v1::AgentMessage message;
  v1::Hello* hello = message.mutable_hello();
  hello->set_name(identity_.name);
  hello->set_incarnation(journal_->incarnation());
  hello->set_boot_id(identity_.boot_id);
  hello->set_highest_epoch(journal_->highest_epoch());
  hello->set_protocol(kProtocol);
  hello->set_version(kVersion);
  hello->set_slots(identity_.slots);
  hello->mutable_labels()->insert(identity_.labels.begin(), identity_.labels.end());
  for (v1::AttemptReport& report : executor_->Summaries()) {
    *hello->add_attempts() = std::move(report);
  }
  hello->set_resumed(resumed_);
  return message;
}

v1::AgentMessage Session::HeartbeatMessage() {
  const Health health = health_();
  v1::AgentMessage message;
  message.mutable_heartbeat()->set_seq(++heartbeat_seq_);
  {
    // As many at most as fit into the time after which a silent controller is given up.
    std::lock_guard<std::mutex> lock(mutex_);
    unanswered_[heartbeat_seq_] = BootNanos();
  }
  message.mutable_heartbeat()->set_free_bytes(health.free_bytes);
  message.mutable_heartbeat()->set_free_slots(executor_->FreeSlots());
  message.mutable_heartbeat()->set_accepts_work(health.accepts_work);
  for (v1::AttemptActivity& activity : executor_->Activities()) {
    *message.mutable_heartbeat()->add_activities() = std::move(activity);
  }
  return message;
}

absl::Status Session::Converse() {
  grpc::ClientContext context;
  // Only for the way to the first answer; the stream itself lives as long as both sides do, and
  // missing heartbeat answers end it.
  std::atomic<bool> welcomed{false};
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return absl::CancelledError("stopping");
    context_ = &context;
    unanswered_.clear();
  }
  std::unique_ptr<Stream> stream = stub_->Connect(&context);
  std::thread watchdog([this, &welcomed] {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool done = changed_.wait_for(lock, absl::ToChronoNanoseconds(kWelcomeTimeout),
                                        [&] { return welcomed || stopping_; });
    if (!done && context_ != nullptr) context_->TryCancel();
  });
  v1::ControllerMessage message;
  hello_boot_nanos_ = BootNanos();
  const bool answered =
      stream->Write(HelloMessage()) && stream->Read(&message) && message.has_welcome();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    welcomed = true;
    changed_.notify_all();
  }
  watchdog.join();

  absl::Status refused;
  if (answered) refused = ObeyWelcome(message.welcome());
  if (answered && refused.ok()) {
    absl::Duration interval = kDefaultHeartbeat;
    if (message.welcome().has_heartbeat()) {
      interval = absl::Nanoseconds(
          google::protobuf::util::TimeUtil::DurationToNanoseconds(message.welcome().heartbeat()));
    }
    interval = std::max(interval, kShortestHeartbeat);
    last_ack_nanos_ = SteadyNanos();
    std::thread writer([this, &stream, interval] { WriteMessages(stream.get(), interval); });
    while (stream->Read(&message)) Dispatch(message);
    outbox_->Close();
    writer.join();
  }
  context.TryCancel();
  const grpc::Status status = stream->Finish();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    context_ = nullptr;
  }
  if (!refused.ok()) return refused;
  if (status.ok()) return absl::UnavailableError("the controller ended the session");
  return rpc::FromGrpc(status);
}

absl::Status Session::ObeyWelcome(const v1::Welcome& welcome) {
  if (welcome.epoch() < journal_->highest_epoch()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the controller is at epoch ", welcome.epoch(), ", this agent has obeyed epoch ",
        journal_->highest_epoch(), ": a deposed controller, or one restored from an old backup"));
  }
  if (absl::Status status = journal_->RaiseEpoch(welcome.epoch()); !status.ok()) return status;
  executor_->OnHeard(hello_boot_nanos_);
  LOG(INFO) << "session " << welcome.session() << " with the controller, epoch " << welcome.epoch();
  for (const v1::AttemptVerdict& verdict : welcome.verdicts()) executor_->OnVerdict(verdict);
  connected_ = true;
  resumed_ = true;
  outbox_->Open();
  executor_->ReportAll();
  return absl::OkStatus();
}

bool Session::IsCurrent(int64_t epoch, const char* what) {
  const int64_t highest = journal_->highest_epoch();
  if (epoch < highest) {
    LOG(WARNING) << what << " of epoch " << epoch << " is ignored, the epoch is " << highest;
    return false;
  }
  if (absl::Status status = journal_->RaiseEpoch(epoch); !status.ok()) {
    LOG(ERROR) << what << " is ignored: " << status;
    return false;
  }
  return true;
}

void Session::Dispatch(const v1::ControllerMessage& message) {
  switch (message.message_case()) {
    case v1::ControllerMessage::kPrepare:
      if (IsCurrent(message.prepare().epoch(), "Prepare")) executor_->OnPrepare(message.prepare());
      break;
    case v1::ControllerMessage::kStartGrant:
      if (IsCurrent(message.start_grant().epoch(), "StartGrant")) {
        executor_->OnStartGrant(message.start_grant());
      }
      break;
    case v1::ControllerMessage::kCancel:
      if (IsCurrent(message.cancel().epoch(), "Cancel")) executor_->OnCancel(message.cancel());
      break;
    case v1::ControllerMessage::kUploadBlobs:
      if (IsCurrent(message.upload_blobs().epoch(), "UploadBlobs")) {
        executor_->OnUploadBlobs(message.upload_blobs());
      }
      break;
    case v1::ControllerMessage::kHeartbeatAck:
      last_ack_nanos_ = SteadyNanos();
      OnHeartbeatAck(message.heartbeat_ack().seq());
      break;
    case v1::ControllerMessage::kResultAck:
      executor_->OnResultAck(message.result_ack().key());
      break;
    case v1::ControllerMessage::kWelcome:
    case v1::ControllerMessage::MESSAGE_NOT_SET:
      break;  // The latter: a message of a newer controller.
  }
}

void Session::OnHeartbeatAck(int64_t seq) {
  int64_t sent = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto it = unanswered_.find(seq);
    if (it == unanswered_.end()) return;
    sent = it->second;
    unanswered_.erase(unanswered_.begin(), std::next(it));
  }
  executor_->OnHeard(sent);
}

void Session::WriteMessages(Stream* stream, absl::Duration interval) {
  const auto step =
      std::chrono::duration_cast<Clock::duration>(absl::ToChronoNanoseconds(interval));
  const absl::Duration ack_timeout = std::max(kAckTimeout, 3 * interval);
  Clock::time_point next_heartbeat = Clock::now();
  Clock::time_point next_results = Clock::now() + absl::ToChronoNanoseconds(kReportResultsEvery);
  v1::AgentMessage message;
  while (true) {
    const Clock::time_point now = Clock::now();
    if (now >= next_heartbeat) {
      if (!stream->Write(HeartbeatMessage())) return;
      next_heartbeat = now + step;
      if (absl::Nanoseconds(SteadyNanos() - last_ack_nanos_) > ack_timeout) {
        LOG(WARNING) << "the controller answers no heartbeats";
        CancelStream();
        return;
      }
      if (now >= next_results) {
        executor_->ReportResults();
        next_results = now + absl::ToChronoNanoseconds(kReportResultsEvery);
      }
      continue;
    }
    switch (outbox_->Take(absl::FromChrono(next_heartbeat - now), &message)) {
      case Outbox::Taken::kMessage:
        if (!stream->Write(message)) return;
        break;
      case Outbox::Taken::kTimeout:
        break;
      case Outbox::Taken::kClosed:
        return;
      case Outbox::Taken::kOverflow:
        LOG(ERROR) << "too much to say for this connection; beginning a new session";
        CancelStream();
        return;
    }
  }
}

}  // namespace rally::agent
