#include "controller/service/build_service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/status.h"
#include "controller/service/build_watch_stream.h"
#include "controller/service/log_read_stream.h"
#include "controller/submission.h"
#include "controller/wire/build_wire.h"
#include "glog/logging.h"

namespace rally::controller {
namespace {

constexpr int kListLimit = 1000;
constexpr int kListDefault = 50;

// Clients receive 8 MiB at most. A list that would be larger is shorter than what was asked for.
constexpr size_t kListBytes = 4 << 20;
constexpr size_t kReasonLimit = 1024;

grpc::Status NoBuild(const std::string& id) {
  return {grpc::StatusCode::NOT_FOUND,
          absl::StrCat("there is no build \"", id, "\"; `rallyctl list` shows which there are")};
}

grpc::Status NoAgent(const std::string& name) {
  return {grpc::StatusCode::NOT_FOUND,
          absl::StrCat("no agent \"", name,
                       "\" has ever connected; `rallyctl agents` shows which have")};
}

// What a list shows of a build: its steps have no more than their names and how they stand.
v1::Build Summary(const core::Build& build) {
  v1::Build full = wire::ToProto(build);
  for (v1::Step& step : *full.mutable_steps()) {
    v1::Step brief;
    brief.set_id(std::move(*step.mutable_id()));
    brief.set_status(step.status());
    brief.set_attempt(step.attempt());
    step = std::move(brief);
  }
  return full;
}

}  // namespace

grpc::ServerUnaryReactor* BuildService::FinishUnless(bool posted,
                                                     grpc::ServerUnaryReactor* reactor) {
  if (!posted) {
    reactor->Finish({grpc::StatusCode::UNAVAILABLE,
                     "the controller is stopping or has too much to do; try again in a moment"});
  }
  return reactor;
}

grpc::ServerUnaryReactor* BuildService::Submit(grpc::CallbackServerContext* context,
                                               const v1::SubmitRequest* request,
                                               v1::SubmitResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool taken = parts_.workers->TryPost([=] { CheckAndPropose(reactor, request, response); });
  if (!taken) {
    reactor->Finish({grpc::StatusCode::RESOURCE_EXHAUSTED,
                     "too many submissions at once; try again in a moment"});
  }
  return reactor;
}

void BuildService::CheckAndPropose(grpc::ServerUnaryReactor* reactor,
                                   const v1::SubmitRequest* request, v1::SubmitResponse* response) {
  auto checked = CheckSubmission(*request, parts_.pipelines, absl::Now(), parts_.find_missing);
  if (!checked.ok()) return reactor->Finish(rpc::ToGrpc(checked.status()));
  // An accepted build must find its context after a crash.
  if (absl::Status status = parts_.sync_blobs(); !status.ok()) {
    return reactor->Finish(rpc::ToGrpc(status));
  }
  auto event = std::make_shared<core::BuildSubmitted>(*std::move(checked));
  const bool posted = parts_.loop->PostProposal(
      [event](const core::Core& core) -> std::optional<core::Event> {
        if (core.FindSubmission(event->idempotency_key) != nullptr) return std::nullopt;
        return *event;
      },
      [event, reactor, response](const absl::Status& status, const core::Core& core) {
        if (!status.ok()) return reactor->Finish(rpc::ToGrpc(status));
        const core::Build* build = core.FindSubmission(event->idempotency_key);
        if (build == nullptr) {
          return reactor->Finish({grpc::StatusCode::INTERNAL, "the build was not taken"});
        }
        if (build->content_hash != event->content_hash) {
          return reactor->Finish(
              {grpc::StatusCode::ALREADY_EXISTS,
               absl::StrCat("the key \"", event->idempotency_key, "\" belongs to build ", build->id,
                            ", which has another pipeline, context, values or parameters")});
        }
        response->set_build_id(build->id);
        response->set_existed(build->id != event->build_id);
        for (const std::string& warning : event->warnings) response->add_warnings(warning);
        if (!response->existed()) {
          LOG(INFO) << "build=" << build->id << " accepted with " << build->steps.size()
                    << " steps";
        }
        reactor->Finish(grpc::Status::OK);
      });
  FinishUnless(posted, reactor);
}

grpc::ServerUnaryReactor* BuildService::GetBuild(grpc::CallbackServerContext* context,
                                                 const v1::GetBuildRequest* request,
                                                 v1::Build* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool posted = parts_.loop->Query([=](const core::Core& core) {
    const core::Build* build = core.FindBuild(request->build_id());
    if (build == nullptr) return reactor->Finish(NoBuild(request->build_id()));
    *response = wire::ToProto(*build);
    reactor->Finish(grpc::Status::OK);
  });
  return FinishUnless(posted, reactor);
}

grpc::ServerUnaryReactor* BuildService::ListBuilds(grpc::CallbackServerContext* context,
                                                   const v1::ListBuildsRequest* request,
                                                   v1::ListBuildsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool posted = parts_.loop->Query([=](const core::Core& core) {
    const int limit = request->limit() > 0 ? std::min(request->limit(), kListLimit) : kListDefault;
    const std::vector<const core::Build*> builds = core.Builds();
    size_t bytes = 0;
    for (auto it = builds.rbegin(); it != builds.rend() && response->builds_size() < limit; ++it) {
      v1::Build summary = Summary(**it);
      bytes += summary.ByteSizeLong();
      if (bytes > kListBytes && response->builds_size() > 0) break;
      *response->add_builds() = std::move(summary);
    }
    reactor->Finish(grpc::Status::OK);
  });
  return FinishUnless(posted, reactor);
}

grpc::ServerWriteReactor<v1::Build>* BuildService::WatchBuild(
    grpc::CallbackServerContext*, const v1::WatchBuildRequest* request) {
  return NewBuildWatchStream(request->build_id(), parts_.loop, parts_.watchers);
}

grpc::ServerWriteReactor<v1::LogChunk>* BuildService::ReadLog(grpc::CallbackServerContext*,
                                                              const v1::ReadLogRequest* request) {
  return NewLogReadStream(*request, parts_.loop, parts_.logs, parts_.watchers, parts_.readers);
}

grpc::ServerUnaryReactor* BuildService::CancelBuild(grpc::CallbackServerContext* context,
                                                    const v1::CancelBuildRequest* request,
                                                    v1::Build* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (request->reason().size() > kReasonLimit) {
    reactor->Finish({grpc::StatusCode::INVALID_ARGUMENT,
                     absl::StrCat("a reason has at most ", kReasonLimit, " bytes")});
    return reactor;
  }
  const bool posted = parts_.loop->PostProposal(
      [=](const core::Core& core) -> std::optional<core::Event> {
        const core::Build* build = core.FindBuild(request->build_id());
        if (build == nullptr || core::IsTerminal(build->status)) return std::nullopt;
        return core::CancelRequested{build->id, request->reason()};
      },
      [=](const absl::Status& status, const core::Core& core) {
        if (!status.ok()) return reactor->Finish(rpc::ToGrpc(status));
        const core::Build* build = core.FindBuild(request->build_id());
        if (build == nullptr) return reactor->Finish(NoBuild(request->build_id()));
        *response = wire::ToProto(*build);
        reactor->Finish(grpc::Status::OK);
      });
  return FinishUnless(posted, reactor);
}

grpc::ServerUnaryReactor* BuildService::ListAgents(grpc::CallbackServerContext* context,
                                                   const v1::ListAgentsRequest*,
                                                   v1::ListAgentsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool posted = parts_.loop->Query([this, reactor, response](const core::Core& core) {
    for (const auto& [name, agent] : core.Agents()) {
      *response->add_agents() = wire::ToProto(agent, parts_.loop->LastSeen(name));
    }
    reactor->Finish(grpc::Status::OK);
  });
  return FinishUnless(posted, reactor);
}

grpc::ServerUnaryReactor* BuildService::DrainAgent(grpc::CallbackServerContext* context,
                                                   const v1::DrainAgentRequest* request,
                                                   v1::Agent* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool posted = parts_.loop->PostProposal(
      [=](const core::Core& core) -> std::optional<core::Event> {
        if (core.Agents().count(request->name()) == 0) return std::nullopt;
        return core::DrainRequested{request->name(), request->drain()};
      },
      [this, reactor, request, response](const absl::Status& status, const core::Core& core) {
        if (!status.ok()) return reactor->Finish(rpc::ToGrpc(status));
        auto agent = core.Agents().find(request->name());
        if (agent == core.Agents().end()) return reactor->Finish(NoAgent(request->name()));
        *response = wire::ToProto(agent->second, parts_.loop->LastSeen(request->name()));
        reactor->Finish(grpc::Status::OK);
      });
  return FinishUnless(posted, reactor);
}

}  // namespace rally::controller
