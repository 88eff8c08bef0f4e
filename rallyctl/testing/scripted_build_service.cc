#include "rallyctl/testing/scripted_build_service.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "glog/logging.h"
#include "rallyctl/render/status_words.h"

namespace rally::rallyctl {
namespace {

grpc::Status Stopped() {
  return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the controller is stopping");
}

grpc::Status NoBuild(const std::string& id) {
  return grpc::Status(grpc::StatusCode::NOT_FOUND, absl::StrCat("no build \"", id, "\""));
}

}  // namespace

ScriptedBuildService::ScriptedBuildService() {
  // Tests that run side by side may have the same process id, each in a namespace of its own.
  absl::BitGen random;
  const char* directory = std::getenv("TEST_TMPDIR");
  // A socket's path is limited to 107 bytes, which a test's own directory may exceed.
  const std::string base =
      directory != nullptr && std::string(directory).size() < 60 ? directory : "/tmp";
  address_ = absl::StrCat("unix:", base, "/rallyctl-", absl::Hex(absl::Uniform<uint64_t>(random)),
                          ".sock");
}

ScriptedBuildService::~ScriptedBuildService() {
  Stop();
  unlink(address_.substr(5).c_str());
}

void ScriptedBuildService::Start() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = false;
  }
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address_, grpc::InsecureServerCredentials());
  builder.RegisterService(this);
  for (grpc::Service* service : more_services_) builder.RegisterService(service);
  server_ = builder.BuildAndStart();
  CHECK(server_ != nullptr) << "cannot listen on " << address_;
}

void ScriptedBuildService::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
}

void ScriptedBuildService::Update(const std::string& id,
                                  const std::function<void(v1::Build&)>& change) {
  absl::MutexLock lock(&mutex_);
  v1::Build& build = builds_[id];
  build.set_id(id);
  change(build);
  build.set_revision(build.revision() + 1);
}

void ScriptedBuildService::AppendLog(const std::string& step, int attempt, const std::string& data,
                                     v1::LogStream stream) {
  absl::MutexLock lock(&mutex_);
  Log& log = logs_[{step, attempt}];
  v1::LogRecord record;
  record.set_offset(log.bytes);
  record.set_stream(stream);
  record.set_data(data);
  log.bytes += static_cast<int64_t>(data.size());
  log.records.push_back(std::move(record));
}

void ScriptedBuildService::CompleteLog(const std::string& step, int attempt) {
  absl::MutexLock lock(&mutex_);
  logs_[{step, attempt}].complete = true;
}

void ScriptedBuildService::LoseSubmitAnswers(int calls) {
  absl::MutexLock lock(&mutex_);
  lost_submit_answers_ = calls;
}

void ScriptedBuildService::HoldSubmitAnswers(bool hold) {
  absl::MutexLock lock(&mutex_);
  hold_submit_answers_ = hold;
}

void ScriptedBuildService::SetAgents(v1::ListAgentsResponse agents) {
  absl::MutexLock lock(&mutex_);
  agents_ = std::move(agents);
}

std::vector<v1::SubmitRequest> ScriptedBuildService::Submissions() {
  absl::MutexLock lock(&mutex_);
  return submissions_;
}

std::vector<v1::ReadLogRequest> ScriptedBuildService::LogReads() {
  absl::MutexLock lock(&mutex_);
  return log_reads_;
}

std::vector<v1::CancelBuildRequest> ScriptedBuildService::Cancellations() {
  absl::MutexLock lock(&mutex_);
  return cancellations_;
}

void ScriptedBuildService::WaitForSubmissions(size_t count) {
  absl::MutexLock lock(&mutex_);
  const auto there = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return submissions_.size() >= count;
  };
  CHECK(mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(20)))
      << "only " << submissions_.size() << " submissions";
}

void ScriptedBuildService::WaitForLogReader(const std::string& step) {
  absl::MutexLock lock(&mutex_);
  const auto read = [this, &step]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const auto& request : log_reads_) {
      if (request.step_id() == step) return true;
    }
    return false;
  };
  CHECK(mutex_.AwaitWithTimeout(absl::Condition(&read), absl::Seconds(20)))
      << "nobody read the log of " << step;
}

bool ScriptedBuildService::Await(grpc::ServerContext* context, const std::function<bool()>& ready) {
  const auto done = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || ready(); };
  // Nothing wakes a waiter whose client went away, so it looks from time to time.
  while (!mutex_.AwaitWithTimeout(absl::Condition(&done), absl::Milliseconds(50))) {
    if (context->IsCancelled()) return false;
  }
  return !stopping_;
}

grpc::Status ScriptedBuildService::Submit(grpc::ServerContext* context,
                                          const v1::SubmitRequest* request,
                                          v1::SubmitResponse* response) {
  absl::MutexLock lock(&mutex_);
  submissions_.push_back(*request);
  const auto [known, is_new] =
      keys_.emplace(request->idempotency_key(), absl::StrCat("build-", keys_.size() + 1));
  if (is_new) {
    v1::Build& build = builds_[known->second];
    build.set_id(known->second);
    build.set_status(v1::BUILD_STATUS_RUNNING);
    build.set_revision(1);
    build.set_pipeline_name(request->pipeline_name());
    *build.mutable_context() = request->context();
  }
  if (lost_submit_answers_ > 0) {
    --lost_submit_answers_;
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the answer was lost");
  }
  const std::string id = known->second;
  if (!Await(context,
             [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !hold_submit_answers_; }))
    return Stopped();
  response->set_build_id(id);
  response->set_existed(!is_new);
  return grpc::Status::OK;
}

grpc::Status ScriptedBuildService::GetBuild(grpc::ServerContext*,
                                            const v1::GetBuildRequest* request,
                                            v1::Build* response) {
  absl::MutexLock lock(&mutex_);
  const auto build = builds_.find(request->build_id());
  if (build == builds_.end()) return NoBuild(request->build_id());
  *response = build->second;
  return grpc::Status::OK;
}

grpc::Status ScriptedBuildService::ListBuilds(grpc::ServerContext*, const v1::ListBuildsRequest*,
                                              v1::ListBuildsResponse* response) {
  absl::MutexLock lock(&mutex_);
  for (auto build = builds_.rbegin(); build != builds_.rend(); ++build) {
    *response->add_builds() = build->second;
  }
  return grpc::Status::OK;
}

grpc::Status ScriptedBuildService::WatchBuild(grpc::ServerContext* context,
                                              const v1::WatchBuildRequest* request,
                                              grpc::ServerWriter<v1::Build>* writer) {
  int64_t seen = 0;
  while (true) {
    v1::Build build;
    {
      absl::MutexLock lock(&mutex_);
      const auto found = builds_.find(request->build_id());
      if (found == builds_.end()) return NoBuild(request->build_id());
      if (!Await(context, [&] { return found->second.revision() > seen; })) return Stopped();
      build = found->second;
    }
    seen = build.revision();
    writer->Write(build);
    if (HasEnded(build.status())) return grpc::Status::OK;
  }
}

grpc::Status ScriptedBuildService::ReadLog(grpc::ServerContext* context,
                                           const v1::ReadLogRequest* request,
                                           grpc::ServerWriter<v1::LogChunk>* writer) {
  size_t next = 0;
  absl::ReleasableMutexLock lock(&mutex_);
  log_reads_.push_back(*request);
  int attempt = request->attempt();
  for (const v1::Step& step : builds_[request->build_id()].steps()) {
    if (attempt == 0 && step.id() == request->step_id()) attempt = step.attempt();
  }
  Log& log = logs_[{request->step_id(), attempt}];
  lock.Release();
  while (true) {
    v1::LogChunk chunk;
    {
      absl::MutexLock again(&mutex_);
      if (request->follow() &&
          !Await(context, [&] { return log.complete || log.records.size() > next; })) {
        return Stopped();
      }
      chunk.set_attempt(attempt);
      for (; next < log.records.size(); ++next) {
        const v1::LogRecord& record = log.records[next];
        const int64_t end = record.offset() + static_cast<int64_t>(record.data().size());
        if (end > request->offset()) *chunk.add_records() = record;
      }
      chunk.set_complete(log.complete);
    }
    writer->Write(chunk);
    if (chunk.complete() || !request->follow()) return grpc::Status::OK;
  }
}

grpc::Status ScriptedBuildService::CancelBuild(grpc::ServerContext*,
                                               const v1::CancelBuildRequest* request,
                                               v1::Build* response) {
  absl::MutexLock lock(&mutex_);
  cancellations_.push_back(*request);
  const auto build = builds_.find(request->build_id());
  if (build == builds_.end()) return NoBuild(request->build_id());
  const v1::BuildStatus status = build->second.status();
  if (status == v1::BUILD_STATUS_RUNNING || status == v1::BUILD_STATUS_CANCELLING) {
    build->second.set_status(v1::BUILD_STATUS_CANCELLED);
    build->second.set_reason(request->reason());
    build->second.set_revision(build->second.revision() + 1);
  }
  *response = build->second;
  return grpc::Status::OK;
}

grpc::Status ScriptedBuildService::ListAgents(grpc::ServerContext*, const v1::ListAgentsRequest*,
                                              v1::ListAgentsResponse* response) {
  absl::MutexLock lock(&mutex_);
  *response = agents_;
  return grpc::Status::OK;
}

grpc::Status ScriptedBuildService::DrainAgent(grpc::ServerContext*,
                                              const v1::DrainAgentRequest* request,
                                              v1::Agent* response) {
  absl::MutexLock lock(&mutex_);
  for (v1::Agent& agent : *agents_.mutable_agents()) {
    if (agent.name() != request->name()) continue;
    agent.set_draining(request->drain());
    agent.set_state(request->drain() ? "draining" : "connected");
    *response = agent;
    return grpc::Status::OK;
  }
  return grpc::Status(grpc::StatusCode::NOT_FOUND,
                      absl::StrCat("no agent \"", request->name(), "\""));
}

}  // namespace rally::rallyctl
