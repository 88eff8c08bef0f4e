#ifndef RALLY_CONTROLLER_SERVICE_BUILD_SERVICE_H_
#define RALLY_CONTROLLER_SERVICE_BUILD_SERVICE_H_

#include <functional>
#include <utility>

#include "common/pipeline/parser.h"
#include "controller/logs/log_store.h"
#include "controller/loop/loop.h"
#include "controller/service/build_watchers.h"
#include "controller/submission.h"
#include "controller/worker_pool.h"
#include "rally/v1/build.grpc.pb.h"

namespace rally::controller {

// rally.v1.BuildService: what people and CI ask. A thin shell: it checks requests, puts questions
// and proposals to the loop, and turns the answers into messages.
//
// Ownership: everything in Parts must outlive it.
// Threads: thread-safe. No method waits: checks that read disks go to the worker pool.
class BuildService : public v1::BuildService::CallbackService {
 public:
  struct Parts {
    Loop* loop;
    LogStore* logs;
    BuildWatchers* watchers;
    WorkerPool* workers;  // checks of submissions
    WorkerPool* readers;  // reads of logs
    FindMissingInTree find_missing;
    // Makes the blobs stored so far durable.
    std::function<absl::Status()> sync_blobs;
    pipeline::ParseOptions pipelines;
  };

  explicit BuildService(Parts parts) : parts_(std::move(parts)) {}

  grpc::ServerUnaryReactor* Submit(grpc::CallbackServerContext* context,
                                   const v1::SubmitRequest* request,
                                   v1::SubmitResponse* response) override;
  grpc::ServerUnaryReactor* GetBuild(grpc::CallbackServerContext* context,
                                     const v1::GetBuildRequest* request,
                                     v1::Build* response) override;
  grpc::ServerUnaryReactor* ListBuilds(grpc::CallbackServerContext* context,
                                       const v1::ListBuildsRequest* request,
                                       v1::ListBuildsResponse* response) override;
  grpc::ServerWriteReactor<v1::Build>* WatchBuild(grpc::CallbackServerContext* context,
                                                  const v1::WatchBuildRequest* request) override;
  grpc::ServerWriteReactor<v1::LogChunk>* ReadLog(grpc::CallbackServerContext* context,
                                                  const v1::ReadLogRequest* request) override;
  grpc::ServerUnaryReactor* CancelBuild(grpc::CallbackServerContext* context,
                                        const v1::CancelBuildRequest* request,
                                        v1::Build* response) override;
  grpc::ServerUnaryReactor* ListAgents(grpc::CallbackServerContext* context,
                                       const v1::ListAgentsRequest* request,
                                       v1::ListAgentsResponse* response) override;
  grpc::ServerUnaryReactor* DrainAgent(grpc::CallbackServerContext* context,
                                       const v1::DrainAgentRequest* request,
                                       v1::Agent* response) override;

 private:
  // Ends the call at once when the loop didn't take what it needs.
  static grpc::ServerUnaryReactor* FinishUnless(bool posted, grpc::ServerUnaryReactor* reactor);
  void CheckAndPropose(grpc::ServerUnaryReactor* reactor, const v1::SubmitRequest* request,
                       v1::SubmitResponse* response);

  const Parts parts_;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_SERVICE_BUILD_SERVICE_H_
