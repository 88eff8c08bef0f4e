#include "controller/testing/scripted_agent.h"

#include <utility>

#include "gtest/gtest.h"

namespace rally::controller {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

}  // namespace

v1::AttemptReport Report(const v1::AttemptKey& key, v1::AttemptState state) {
  v1::AttemptReport report;
  *report.mutable_key() = key;
  report.set_state(state);
  return report;
}

ScriptedAgent::ScriptedAgent(const std::shared_ptr<grpc::Channel>& channel, std::string name)
    : name_(std::move(name)),
      stub_(v1::AgentService::NewStub(channel)),
      stream_((context_.set_deadline(absl::ToChronoTime(absl::Now() + 3 * kPatience)),
               stub_->Connect(&context_))) {
  reader_ = std::thread([this] { Read(); });
}

ScriptedAgent::~ScriptedAgent() { HangUp(); }

void ScriptedAgent::Read() {
  v1::ControllerMessage message;
  while (stream_->Read(&message)) {
    absl::MutexLock lock(&mutex_);
    heard_.push_back(message);
  }
  absl::MutexLock lock(&mutex_);
  ended_ = true;
}

v1::Hello ScriptedAgent::MakeHello(const std::vector<v1::AttemptReport>& attempts) const {
  v1::Hello hello;
  hello.set_name(name_);
  hello.set_incarnation("disk of " + name_);
  hello.set_boot_id("boot");
  hello.set_protocol(1);
  hello.set_version("test");
  hello.set_slots(1);
  for (const v1::AttemptReport& attempt : attempts) *hello.add_attempts() = attempt;
  return hello;
}

void ScriptedAgent::Send(v1::AgentMessage message) { stream_->Write(message); }

void ScriptedAgent::SayHello(v1::Hello hello) {
  v1::AgentMessage message;
  *message.mutable_hello() = std::move(hello);
  Send(message);
}

v1::Welcome ScriptedAgent::Connect(const std::vector<v1::AttemptReport>& attempts) {
  SayHello(MakeHello(attempts));
  const v1::ControllerMessage answer = Next();
  EXPECT_TRUE(answer.has_welcome()) << answer.DebugString();
  return answer.welcome();
}

void ScriptedAgent::Prepared(const v1::AttemptKey& key) {
  v1::AgentMessage message;
  *message.mutable_prepared()->mutable_key() = key;
  message.mutable_prepared()->set_image_digest("sha256:" + std::string(64, '0'));
  Send(message);
}

void ScriptedAgent::Started(const v1::AttemptKey& key) {
  v1::AgentMessage message;
  *message.mutable_started()->mutable_key() = key;
  Send(message);
}

void ScriptedAgent::Exited(const v1::AttemptKey& key, int exit_code, int64_t log_end,
                           const v1::Digest& output) {
  v1::AgentMessage message;
  v1::Result* result = message.mutable_result();
  *result->mutable_key() = key;
  result->set_kind(v1::END_KIND_EXITED);
  result->set_exit_code(exit_code);
  result->set_log_end(log_end);
  if (!output.hash().empty()) *result->mutable_output() = output;
  Send(message);
}

void ScriptedAgent::Broke(const v1::AttemptKey& key, int64_t log_end) {
  v1::AgentMessage message;
  v1::Result* result = message.mutable_result();
  *result->mutable_key() = key;
  result->set_kind(v1::END_KIND_ERRORED);
  result->set_message("the host broke");
  result->set_may_retry(true);
  result->set_log_end(log_end);
  Send(message);
}

void ScriptedAgent::Heartbeat(int64_t seq, bool accepts_work, const Activities& activities) {
  v1::AgentMessage message;
  message.mutable_heartbeat()->set_seq(seq);
  message.mutable_heartbeat()->set_accepts_work(accepts_work);
  for (const auto& [key, doing] : activities) {
    v1::AttemptActivity* activity = message.mutable_heartbeat()->add_activities();
    *activity->mutable_key() = key;
    activity->set_doing(doing);
  }
  Send(message);
}

bool ScriptedAgent::Hears() {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(
      absl::Condition(
          +[](ScriptedAgent* agent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(agent->mutex_) {
            auto& heard = agent->heard_;
            while (!heard.empty() && heard.front().has_heartbeat_ack()) {
              heard.pop_front();
            }
            return agent->ended_ || !heard.empty();
          },
          this),
      kPatience);
  return !heard_.empty();
}

v1::ControllerMessage ScriptedAgent::Next() {
  const bool hears = Hears();
  absl::MutexLock lock(&mutex_);
  if (!hears) {
    ADD_FAILURE() << "agent " << name_ << " hears nothing" << (ended_ ? " any more" : "");
    return {};
  }
  v1::ControllerMessage message = std::move(heard_.front());
  heard_.pop_front();
  return message;
}

v1::AttemptKey ScriptedAgent::RunNext() {
  v1::ControllerMessage message = Next();
  EXPECT_TRUE(message.has_prepare()) << message.DebugString();
  const v1::AttemptKey key = message.prepare().key();
  Prepared(key);
  message = Next();
  EXPECT_TRUE(message.has_start_grant()) << message.DebugString();
  Started(key);
  return key;
}

grpc::Status ScriptedAgent::End() {
  if (reader_.joinable()) reader_.join();
  if (!status_.has_value()) status_ = stream_->Finish();
  return *status_;
}

void ScriptedAgent::HangUp() {
  context_.TryCancel();
  End();
}

}  // namespace rally::controller
