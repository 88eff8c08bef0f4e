#include "controller/service/agent_service.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/blob/digest.h"
#include "common/pipeline/utf8.h"
#include "common/rpc/status.h"
#include "controller/service/report_queue.h"
#include "controller/wire/build_wire.h"
#include "controller/wire/event_wire.h"
#include "controller/wire/value_wire.h"
#include "glog/logging.h"

namespace rally::controller {
namespace {

// The one version of the session protocol that this controller speaks.
constexpr int kProtocol = 1;
constexpr size_t kNameLimit = 128;
constexpr int kSlotLimit = 4096;
constexpr int kReportLimit = 4 * kSlotLimit;
// What a report may name of them; agents name no more.
constexpr size_t kBlobLimit = 1000;
constexpr size_t kActivityLimit = 500;  // bytes

v1::Verdict ToProto(core::Verdict verdict) {
  switch (verdict) {
    case core::Verdict::kKeep:
      return v1::VERDICT_KEEP;
    case core::Verdict::kKill:
      return v1::VERDICT_KILL;
    case core::Verdict::kResendResult:
      return v1::VERDICT_RESEND_RESULT;
    case core::Verdict::kForget:
      return v1::VERDICT_FORGET;
  }
  return v1::VERDICT_KILL;
}

// What is wrong with a Hello, for the agent's log; empty when nothing is.
std::string Objection(const v1::Hello& hello, int64_t epoch) {
  if (hello.protocol() != kProtocol) {
    return absl::StrCat("agent ", hello.name(), " (version ", hello.version(), ") speaks protocol ",
                        hello.protocol(), ", this controller speaks ", kProtocol,
                        ": update the older of the two");
  }
  if (hello.name().empty() || hello.name().size() > kNameLimit ||
      !std::all_of(hello.name().begin(), hello.name().end(), absl::ascii_isgraph)) {
    return absl::StrCat("an agent's name has 1 to ", kNameLimit,
                        " printable ASCII characters and no space");
  }
  if (hello.slots() < 1 || hello.slots() > kSlotLimit) {
    return absl::StrCat("agent ", hello.name(), " offers ", hello.slots(), " slots; 1 to ",
                        kSlotLimit, " make sense");
  }
  if (hello.attempts_size() > kReportLimit) {
    return absl::StrCat("agent ", hello.name(), " reports ", hello.attempts_size(),
                        " attempts; more than ", kReportLimit, " can't be");
  }
  if (hello.highest_epoch() > epoch) {
    return absl::StrCat("agent ", hello.name(), " has obeyed epoch ", hello.highest_epoch(),
                        ", this controller has only reached ", epoch,
                        ": was its data restored from an old backup?");
  }
  return "";
}

// Some are errors of a registry, of any length.
Loop::Activities ActivitiesOf(const v1::Heartbeat& heartbeat) {
  Loop::Activities activities;
  for (const v1::AttemptActivity& activity : heartbeat.activities()) {
    if (activities.size() == kReportLimit) break;
    activities.emplace_back(wire::FromProto(activity.key()),
                            CutAtCharacter(activity.doing(), kActivityLimit));
  }
  return activities;
}

std::tuple<std::string, int, int> NameOf(const core::AttemptKey& key) {
  return {key.build_id, key.step, key.attempt};
}

std::vector<core::Digest> WellFormed(const std::vector<core::Digest>& digests) {
  std::vector<core::Digest> checked;
  for (const core::Digest& digest : digests) {
    if (checked.size() == kBlobLimit) break;
    if (blob::MakeDigest(digest.hash, digest.size_bytes).ok()) checked.push_back(digest);
  }
  return checked;
}

// What the rest of the controller may rely on. A result that says nonsense is Rally's failure.
core::AttemptEnded CheckedResult(core::AttemptEnded result) {
  result.log_end = std::max<int64_t>(result.log_end, 0);
  result.missing = WellFormed(result.missing);
  if (!result.output.empty()) {
    auto digest = blob::MakeDigest(result.output.hash, result.output.size_bytes);
    if (!digest.ok()) {
      result.kind = core::EndKind::kErrored;
      result.message =
          absl::StrCat("the agent reported a malformed output: ", digest.status().message());
      result.output = {};
    }
  }
  return result;
}

}  // namespace

// One agent's stream.
class AgentService::Session : public QueuedStream<v1::AgentMessage, v1::ControllerMessage> {
 public:
  Session(AgentService* service, grpc::CallbackServerContext* context)
      : QueuedStream(context), service_(service) {
    Start();
  }

 private:
  bool OnMessage(v1::AgentMessage& message) override {
    if (session_ == 0) {
      absl::Status status = OnHello(message);
      if (!status.ok()) {
        LOG(WARNING) << "a session was refused: " << status.message();
        Close(rpc::ToGrpc(status));
      }
      return false;  // until it was introduced
    }
    // A message that was under way when a newer session replaced this one is void: the agent says
    // the same again there.
    const Standing standing = service_->StandingOf(agent_, session_);
    if (standing == Standing::kReplaced) return true;
    switch (message.message_case()) {
      case v1::AgentMessage::kHeartbeat:
        if (service_->loop_->Heartbeat(agent_, message.heartbeat().accepts_work(),
                                       ActivitiesOf(message.heartbeat())) &&
            standing == Standing::kWelcomed) {
          v1::ControllerMessage answer;
          answer.mutable_heartbeat_ack()->set_seq(message.heartbeat().seq());
          Enqueue(std::move(answer));
        }
        break;
      case v1::AgentMessage::kPrepared:
        reports_->Add(wire::FromProto(agent_, message.prepared()), false);
        break;
      case v1::AgentMessage::kRejected:
        reports_->Add(wire::FromProto(agent_, message.rejected()), false);
        break;
      case v1::AgentMessage::kStarted:
        reports_->Add(wire::FromProto(agent_, message.started()), false);
        break;
      case v1::AgentMessage::kResult: {
        core::AttemptEnded result =
            CheckedResult(std::get<core::AttemptEnded>(wire::FromProto(agent_, message.result())));
        const bool has_output = !result.output.empty();
        reports_->Add(std::move(result), has_output);
        break;
      }
      case v1::AgentMessage::kBlobsUploaded: {
        auto uploaded =
            std::get<core::BlobsUploaded>(wire::FromProto(agent_, message.blobs_uploaded()));
        uploaded.blobs = WellFormed(uploaded.blobs);
        const bool has_blobs = !uploaded.blobs.empty();
        reports_->Add(std::move(uploaded), has_blobs);
        break;
      }
      case v1::AgentMessage::kHello:
      case v1::AgentMessage::MESSAGE_NOT_SET:
        break;  // the latter: a message of a newer minor version
    }
    return true;
  }

  absl::Status OnHello(v1::AgentMessage& message) {
    if (!message.has_hello()) {
      return absl::FailedPreconditionError("the first message of a session is Hello");
    }
    v1::Hello& hello = *message.mutable_hello();
    const std::string objection = Objection(hello, service_->loop_->epoch());
    if (!objection.empty()) return absl::FailedPreconditionError(objection);
    auto session = service_->Register(hello, handle());
    if (!session.ok()) return session.status();
    agent_ = hello.name();
    session_ = *session;
    const Parts& parts = service_->parts_;
    reports_ = std::make_shared<ReportQueue>(
        ReportQueue::Parts{service_->loop_, parts.workers, parts.blobs_are_durable,
                           parts.sync_blobs},
        [handle = handle(), agent = agent_](const absl::Status& status) {
          LOG(WARNING) << "agent=" << agent << " is cut off: " << status;
          handle->Close(rpc::ToGrpc(status));
        });
    LOG(INFO) << "agent=" << agent_ << " session=" << session_ << " connected with "
              << hello.slots() << " slots and " << hello.attempts_size() << " attempts";
    const bool taken =
        parts.workers->TryPost([service = service_, session = session_, handle = handle(),
                                hello = std::make_shared<const v1::Hello>(std::move(hello))] {
          service->Introduce(*hello, session, handle);
        });
    return taken ? absl::OkStatus()
                 : absl::UnavailableError("the controller has too much to do; try again");
  }

  void OnEnded() override {
    if (session_ == 0) return;
    LOG(INFO) << "agent=" << agent_ << " session=" << session_ << " ended";
    service_->Unregister(agent_, session_);
    service_->loop_->Post(core::AgentDisconnected{agent_, session_});
  }

  AgentService* const service_;
  std::string agent_;
  int64_t session_ = 0;
  std::shared_ptr<ReportQueue> reports_;
};

grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage>* AgentService::Connect(
    grpc::CallbackServerContext* context) {
  return new Session(this, context);
}

absl::StatusOr<int64_t> AgentService::Register(const v1::Hello& hello,
                                               std::shared_ptr<Handle> handle) {
  std::shared_ptr<Handle> replaced;
  int64_t session;
  {
    absl::MutexLock lock(&mutex_);
    Live& live = sessions_[hello.name()];
    if (live.handle != nullptr && live.incarnation != hello.incarnation()) {
      return absl::AlreadyExistsError(
          absl::StrCat("an agent called ", hello.name(),
                       " with another data directory is connected; give one "
                       "of them another --name"));
    }
    replaced = std::move(live.handle);
    session = ++last_session_;
    live = Live();
    live.session = session;
    live.incarnation = hello.incarnation();
    live.handle = std::move(handle);
  }
  if (replaced != nullptr) {
    replaced->Close({grpc::StatusCode::ABORTED, "a newer session of this agent took over"});
  }
  return session;
}

AgentService::Standing AgentService::StandingOf(const std::string& agent, int64_t session) {
  absl::MutexLock lock(&mutex_);
  auto it = sessions_.find(agent);
  if (it == sessions_.end() || it->second.session != session) return Standing::kReplaced;
  return it->second.welcomed ? Standing::kWelcomed : Standing::kUnwelcomed;
}

void AgentService::Introduce(const v1::Hello& hello, int64_t session,
                             const std::shared_ptr<Handle>& handle) {
  // Opening a log reads it, which the loop thread must not wait for.
  LogOffsets offsets;
  for (const v1::AttemptReport& report : hello.attempts()) {
    const core::AttemptKey key = wire::FromProto(report.key());
    offsets[NameOf(key)] = parts_.logs->EndOffset(key);
  }
  bool posted;
  {
    // Under the lock, so that the core hears of the session's end after its beginning.
    absl::MutexLock lock(&mutex_);
    auto it = sessions_.find(hello.name());
    if (it == sessions_.end() || it->second.session != session) return;
    it->second.log_offsets = std::move(offsets);
    posted = loop_->TryPost(wire::FromProto(hello, session));
  }
  if (posted) {
    handle->ContinueReading();
  } else {
    handle->Close({grpc::StatusCode::UNAVAILABLE, "the controller has too much to do; try again"});
  }
}

void AgentService::Unregister(const std::string& agent, int64_t session) {
  absl::MutexLock lock(&mutex_);
  auto it = sessions_.find(agent);
  if (it != sessions_.end() && it->second.session == session) sessions_.erase(it);
}

void AgentService::CloseAll() {
  std::map<std::string, Live> sessions;
  {
    absl::MutexLock lock(&mutex_);
    sessions = sessions_;
  }
  for (auto& [name, live] : sessions) {
    live.handle->Close({grpc::StatusCode::UNAVAILABLE, "the controller is stopping"});
  }
}

v1::ControllerMessage AgentService::WelcomeMessage(const core::SendWelcome& command, int64_t epoch,
                                                   const LogOffsets& log_offsets) const {
  v1::ControllerMessage message;
  v1::Welcome* welcome = message.mutable_welcome();
  welcome->set_epoch(epoch);
  welcome->set_session(command.session);
  *welcome->mutable_heartbeat() = wire::ToProto(parts_.heartbeat);
  for (const core::AttemptVerdict& verdict : command.verdicts) {
    v1::AttemptVerdict* proto = welcome->add_verdicts();
    *proto->mutable_key() = wire::ToProto(verdict.key);
    proto->set_verdict(ToProto(verdict.verdict));
    auto offset = log_offsets.find(NameOf(verdict.key));
    if (offset != log_offsets.end()) proto->set_log_offset(offset->second);
  }
  return message;
}

void AgentService::Send(const std::string& agent, const core::Command& command, int64_t epoch) {
  std::shared_ptr<Handle> handle;
  LogOffsets log_offsets;
  auto* welcome = std::get_if<core::SendWelcome>(&command);
  {
    absl::MutexLock lock(&mutex_);
    auto it = sessions_.find(agent);
    if (it == sessions_.end()) return;
    Live& live = it->second;
    if (welcome != nullptr) {
      if (welcome->session != live.session) return;
      live.welcomed = true;
      log_offsets = std::move(live.log_offsets);
    } else if (!live.welcomed) {
      return;  // the core still speaks to the session before
    }
    handle = live.handle;
  }
  if (welcome != nullptr) {
    handle->Send(WelcomeMessage(*welcome, epoch, log_offsets));
  } else if (auto* prepare = std::get_if<core::SendPrepare>(&command)) {
    handle->Send(wire::ToProto(*prepare, epoch));
  } else if (auto* grant = std::get_if<core::SendStartGrant>(&command)) {
    handle->Send(wire::ToProto(*grant, epoch));
  } else if (auto* cancel = std::get_if<core::SendCancel>(&command)) {
    handle->Send(wire::ToProto(*cancel, epoch, parts_.grace));
  } else if (auto* ack = std::get_if<core::SendResultAck>(&command)) {
    handle->Send(wire::ToProto(*ack));
  } else if (auto* upload = std::get_if<core::SendUploadBlobs>(&command)) {
    handle->Send(wire::ToProto(*upload, epoch));
  }
}

}  // namespace rally::controller
