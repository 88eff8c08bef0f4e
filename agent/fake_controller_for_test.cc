#include "agent/fake_controller_for_test.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/channel.h"

namespace rally::agent {

FakeController::FakeController() {
  welcome_.set_epoch(1);
  welcome_.set_session(1);
  welcome_.mutable_heartbeat()->set_nanos(20'000'000);
  grpc::ServerBuilder builder;
  rpc::ConfigureServer(&builder);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(static_cast<v1::AgentService::Service*>(this));
  builder.RegisterService(static_cast<v1::LogService::Service*>(this));
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) std::abort();
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeController::~FakeController() {
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

void FakeController::SetWelcome(v1::Welcome welcome) {
  absl::MutexLock lock(&mutex_);
  welcome_ = std::move(welcome);
}

void FakeController::Send(v1::ControllerMessage message) {
  absl::MutexLock lock(&mutex_);
  if (stream_ != nullptr) stream_->Write(message);
}

void FakeController::EndSessions() {
  absl::MutexLock lock(&mutex_);
  if (context_ != nullptr) context_->TryCancel();
}

void FakeController::SetAnswersHeartbeats(bool answers) {
  absl::MutexLock lock(&mutex_);
  answers_heartbeats_ = answers;
}

v1::AgentMessage FakeController::Next() {
  absl::MutexLock lock(&mutex_);
  auto received = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !received_.empty(); };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&received), absl::Seconds(10))) return {};
  v1::AgentMessage message = std::move(received_.front());
  received_.pop_front();
  return message;
}

int FakeController::heartbeats() const {
  absl::MutexLock lock(&mutex_);
  return heartbeats_;
}

void FakeController::FailAppends(int times) {
  absl::MutexLock lock(&mutex_);
  failing_appends_ = times;
}

void FakeController::BreakLogStreamAfter(int appends) {
  absl::MutexLock lock(&mutex_);
  break_after_ = appends;
}

std::string FakeController::LogText() const {
  absl::MutexLock lock(&mutex_);
  return log_;
}

bool FakeController::LogComplete() const {
  absl::MutexLock lock(&mutex_);
  return log_complete_;
}

int FakeController::appends() const {
  absl::MutexLock lock(&mutex_);
  return appends_;
}

grpc::Status FakeController::Connect(grpc::ServerContext* context, Stream* stream) {
  v1::AgentMessage message;
  while (stream->Read(&message)) {
    absl::MutexLock lock(&mutex_);
    if (message.has_hello()) {
      v1::ControllerMessage answer;
      *answer.mutable_welcome() = welcome_;
      stream->Write(answer);
      stream_ = stream;
      context_ = context;
    }
    if (message.has_heartbeat()) {
      ++heartbeats_;
      if (!answers_heartbeats_) continue;
      v1::ControllerMessage answer;
      answer.mutable_heartbeat_ack()->set_seq(message.heartbeat().seq());
      stream->Write(answer);
      continue;
    }
    received_.push_back(message);
  }
  absl::MutexLock lock(&mutex_);
  if (stream_ == stream) {
    stream_ = nullptr;
    context_ = nullptr;
  }
  return grpc::Status::OK;
}

v1::LogAck FakeController::Keep(const v1::LogAppend& append) {
  ++appends_;
  v1::LogAck ack;
  *ack.mutable_key() = append.key();
  if (failing_appends_ > 0) {
    --failing_appends_;
    ack.set_error("the disk is full");
    ack.set_expected_offset(log_.size());
    return ack;
  }
  for (const v1::LogRecord& record : append.records()) {
    const size_t offset = record.offset();
    if (offset > log_.size()) {
      ack.set_error("out of range");
      ack.set_expected_offset(log_.size());
      return ack;
    }
    if (offset + record.data().size() <= log_.size()) continue;
    log_ += record.data().substr(log_.size() - offset);
  }
  log_complete_ = log_complete_ || append.complete();
  ack.set_durable_offset(log_.size());
  return ack;
}

grpc::Status FakeController::Append(grpc::ServerContext*,
                                    grpc::ServerReaderWriter<v1::LogAck, v1::LogAppend>* stream) {
  v1::LogAppend append;
  while (stream->Read(&append)) {
    v1::LogAck ack;
    {
      absl::MutexLock lock(&mutex_);
      ack = Keep(append);
      // Kept, and nobody told: the agent has to find out.
      if (break_after_ >= 0 && break_after_-- == 0) {
        return {grpc::StatusCode::UNAVAILABLE, "cut by the test"};
      }
    }
    stream->Write(ack);
  }
  return grpc::Status::OK;
}

}  // namespace rally::agent
