#include "controller/service/agent_service.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
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
  if (hello.name().empty() || hello.name().size() > kNameLimit) {
    return absl::StrCat("an agent's name has 1 to ", kNameLimit, " characters");
  }
  if (hello.slots() < 1 || hello.slots() > kSlotLimit) {
    return absl::StrCat("agent ", hello.name(), " offers ", hello.slots(), " slots; 1 to ",
                        kSlotLimit, " make sense");
  }
  if (hello.highest_epoch() > epoch) {
    return absl::StrCat("agent ", hello.name(), " has obeyed epoch ", hello.highest_epoch(),
                        ", this controller has only reached ", epoch,
                        ": was its data restored from an old backup?");
  }
  return "";
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
    if (session_ == 0) return OnHello(message);
    if (message.has_heartbeat()) {
      v1::ControllerMessage answer;
      answer.mutable_heartbeat_ack()->set_seq(message.heartbeat().seq());
      Enqueue(std::move(answer));
      return service_->loop_->Heartbeat(agent_, message.heartbeat().accepts_work());
    }
    // A message that was under way when a newer session replaced this one is void: the agent says
    // the same again there.
    if (!service_->IsCurrent(agent_, session_)) return true;
    switch (message.message_case()) {
      case v1::AgentMessage::kPrepared:
        return service_->loop_->Post(wire::FromProto(agent_, message.prepared()));
      case v1::AgentMessage::kRejected:
        return service_->loop_->Post(wire::FromProto(agent_, message.rejected()));
      case v1::AgentMessage::kStarted:
        return service_->loop_->Post(wire::FromProto(agent_, message.started()));
      case v1::AgentMessage::kResult:
        return service_->loop_->Post(wire::FromProto(agent_, message.result()));
      default:
        return true;  // a message of a newer minor version
    }
  }

  bool OnHello(const v1::AgentMessage& message) {
    if (!message.has_hello()) {
      Close({grpc::StatusCode::FAILED_PRECONDITION, "the first message of a session is Hello"});
      return false;
    }
    const v1::Hello& hello = message.hello();
    const std::string objection = Objection(hello, service_->loop_->epoch());
    if (!objection.empty()) {
      LOG(WARNING) << "a session was refused: " << objection;
      Close({grpc::StatusCode::FAILED_PRECONDITION, objection});
      return false;
    }
    agent_ = hello.name();
    session_ = service_->Register(agent_, handle());
    LOG(INFO) << "agent=" << agent_ << " session=" << session_ << " connected with "
              << hello.slots() << " slots and " << hello.attempts_size() << " attempts";
    return service_->loop_->Post(wire::FromProto(hello, session_));
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
};

AgentService::AgentService(LogStore* logs, absl::Duration heartbeat, absl::Duration grace)
    : logs_(logs), heartbeat_(heartbeat), grace_(grace) {}

grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage>* AgentService::Connect(
    grpc::CallbackServerContext* context) {
  return new Session(this, context);
}

int64_t AgentService::Register(const std::string& agent, std::shared_ptr<Handle> handle) {
  std::shared_ptr<Handle> replaced;
  int64_t session;
  {
    absl::MutexLock lock(&mutex_);
    Live& live = sessions_[agent];
    replaced = std::move(live.handle);
    session = ++last_session_;
    live = {session, std::move(handle)};
  }
  if (replaced != nullptr) {
    replaced->Close({grpc::StatusCode::ABORTED, "a newer session of this agent took over"});
  }
  return session;
}

bool AgentService::IsCurrent(const std::string& agent, int64_t session) {
  absl::MutexLock lock(&mutex_);
  auto it = sessions_.find(agent);
  return it != sessions_.end() && it->second.session == session;
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

v1::ControllerMessage AgentService::WelcomeMessage(const core::SendWelcome& command,
                                                   int64_t epoch) {
  v1::ControllerMessage message;
  v1::Welcome* welcome = message.mutable_welcome();
  welcome->set_epoch(epoch);
  welcome->set_session(command.session);
  *welcome->mutable_heartbeat() = wire::ToProto(heartbeat_);
  for (const core::AttemptVerdict& verdict : command.verdicts) {
    v1::AttemptVerdict* proto = welcome->add_verdicts();
    *proto->mutable_key() = wire::ToProto(verdict.key);
    proto->set_verdict(ToProto(verdict.verdict));
    proto->set_log_offset(logs_->EndOffset(verdict.key));
  }
  return message;
}

void AgentService::Send(const std::string& agent, const core::Command& command, int64_t epoch) {
  std::shared_ptr<Handle> handle;
  {
    absl::MutexLock lock(&mutex_);
    auto it = sessions_.find(agent);
    if (it == sessions_.end()) return;
    auto* welcome = std::get_if<core::SendWelcome>(&command);
    if (welcome != nullptr && welcome->session != it->second.session) return;
    handle = it->second.handle;
  }
  if (auto* welcome = std::get_if<core::SendWelcome>(&command)) {
    handle->Send(WelcomeMessage(*welcome, epoch));
  } else if (auto* prepare = std::get_if<core::SendPrepare>(&command)) {
    handle->Send(wire::ToProto(*prepare, epoch));
  } else if (auto* grant = std::get_if<core::SendStartGrant>(&command)) {
    handle->Send(wire::ToProto(*grant, epoch));
  } else if (auto* cancel = std::get_if<core::SendCancel>(&command)) {
    handle->Send(wire::ToProto(*cancel, epoch, grace_));
  } else if (auto* ack = std::get_if<core::SendResultAck>(&command)) {
    handle->Send(wire::ToProto(*ack));
  }
}

}  // namespace rally::controller
