#include "controller/testing/controller_fixture.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/channel.h"

namespace rally::controller {

ControllerFixture::ControllerFixture() {
  options_.data =
      absl::StrCat(::testing::TempDir(), "/controller-",
                   ::testing::UnitTest::GetInstance()->current_test_info()->name(), "-", getpid());
  options_.listen = "127.0.0.1:0";
  options_.security.insecure = true;
}

void ControllerFixture::StopController() {
  builds_.reset();
  logs_.reset();
  channel_.reset();
  controller_.reset();
}

void ControllerFixture::StartController() {
  StopController();
  auto controller = Controller::Start(options_);
  ASSERT_TRUE(controller.ok()) << controller.status();
  controller_ = *std::move(controller);
  rpc::Security security;
  security.insecure = true;
  auto channel = rpc::Dial(controller_->address(), security, rpc::Connection::kOwn);
  ASSERT_TRUE(channel.ok()) << channel.status();
  channel_ = *channel;
  builds_ = v1::BuildService::NewStub(channel_);
  logs_ = v1::LogService::NewStub(channel_);
}

std::unique_ptr<grpc::ClientContext> ControllerFixture::Context() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  return context;
}

std::string ControllerFixture::OneStep() {
  return absl::StrCat("[[step]]\nid = \"s\"\nimage = \"", kImage, "\"\nargs = [\"true\"]\n");
}

grpc::Status ControllerFixture::Submit(const v1::SubmitRequest& request,
                                       v1::SubmitResponse* response) {
  return builds_->Submit(Context().get(), request, response);
}

std::string ControllerFixture::SubmitOneStep(const std::string& key) {
  v1::SubmitRequest request;
  request.set_idempotency_key(key);
  request.set_pipeline(OneStep());
  v1::SubmitResponse response;
  const grpc::Status status = Submit(request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.build_id();
}

v1::Build ControllerFixture::Get(const std::string& build_id) {
  v1::GetBuildRequest request;
  request.set_build_id(build_id);
  v1::Build build;
  const grpc::Status status = builds_->GetBuild(Context().get(), request, &build);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return build;
}

v1::Agent ControllerFixture::GetAgent(const std::string& name) {
  v1::ListAgentsResponse response;
  const grpc::Status status = builds_->ListAgents(Context().get(), {}, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  for (const v1::Agent& agent : response.agents()) {
    if (agent.name() == name) return agent;
  }
  return {};
}

void ControllerFixture::AwaitStep(const std::string& build_id, v1::StepStatus status) {
  v1::WatchBuildRequest request;
  request.set_build_id(build_id);
  auto context = Context();
  auto stream = builds_->WatchBuild(context.get(), request);
  v1::Build build;
  bool seen = false;
  while (!seen && stream->Read(&build)) seen = build.steps(0).status() == status;
  EXPECT_TRUE(seen) << "the step is " << v1::StepStatus_Name(build.steps(0).status());
  context->TryCancel();
  stream->Finish();
}

LogWriter::LogWriter(v1::LogService::Stub* stub) {
  context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  stream_ = stub->Append(&context_);
}

LogWriter::~LogWriter() {
  context_.TryCancel();
  stream_->Finish();
}

v1::LogAck LogWriter::Append(const v1::AttemptKey& key, int64_t offset, const std::string& bytes,
                             bool complete) {
  v1::LogAppend append;
  *append.mutable_key() = key;
  if (!bytes.empty()) {
    v1::LogRecord* record = append.add_records();
    record->set_offset(offset);
    record->set_stream(v1::LOG_STREAM_STDOUT);
    record->set_data(bytes);
  }
  append.set_complete(complete);
  v1::LogAck ack;
  EXPECT_TRUE(stream_->Write(append) && stream_->Read(&ack)) << "the stream has ended";
  return ack;
}

LogFollower::LogFollower(v1::BuildService::Stub* stub, const v1::ReadLogRequest& request) {
  context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  stream_ = stub->ReadLog(&context_, request);
}

LogFollower::~LogFollower() {
  context_.TryCancel();
  Finish();
}

std::string LogFollower::Read(size_t bytes) {
  std::string read;
  v1::LogChunk chunk;
  while (read.size() < bytes && !complete_ && stream_->Read(&chunk)) {
    attempt_ = chunk.attempt();
    complete_ = chunk.complete();
    for (const v1::LogRecord& record : chunk.records()) read += record.data();
  }
  return read;
}

std::string LogFollower::ReadToEnd(grpc::Status* status) {
  std::string read = Read(std::string::npos);
  EXPECT_TRUE(status != nullptr || complete_) << "no chunk said that it is the last";
  const grpc::Status finished = Finish();
  if (status != nullptr) {
    *status = finished;
  } else {
    EXPECT_TRUE(finished.ok()) << finished.error_message();
  }
  return read;
}

grpc::Status LogFollower::Finish() {
  if (std::exchange(finished_, true)) return grpc::Status::OK;
  v1::LogChunk rest;
  while (stream_->Read(&rest)) continue;
  return stream_->Finish();
}

}  // namespace rally::controller
