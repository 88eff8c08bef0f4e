#ifndef RALLY_RALLYCTL_TESTING_SCRIPTED_BUILD_SERVICE_H_
#define RALLY_RALLYCTL_TESTING_SCRIPTED_BUILD_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rally/v1/build.grpc.pb.h"

namespace rally::rallyctl {

// A controller as rallyctl sees it, whose builds do what a test says. It can be stopped and started
// again on the same socket, as a controller is that restarts.
// Threads: thread-safe. Its handlers block, each on a thread of gRPC's.
class ScriptedBuildService final : public v1::BuildService::Service {
 public:
  // Listens on a socket of its own, in the test's temporary directory.
  ScriptedBuildService();
  ~ScriptedBuildService() override;

  const std::string& address() const { return address_; }  // "unix:PATH"
  // More services for the next Start.
  void AddService(grpc::Service* service) { more_services_.push_back(service); }
  void Start();
  // Ends every call with UNAVAILABLE.
  void Stop();

  // Changes the build (made when new) and tells all who watch.
  void Update(const std::string& id, const std::function<void(v1::Build&)>& change);
  void AppendLog(const std::string& step, int attempt, const std::string& data,
                 v1::LogStream stream = v1::LOG_STREAM_STDOUT);
  void CompleteLog(const std::string& step, int attempt);
  // The next so many Submit calls are stored and answered with UNAVAILABLE.
  void LoseSubmitAnswers(int calls);
  // Submit stores what comes, and answers when it is let go.
  void HoldSubmitAnswers(bool hold);
  void SetAgents(v1::ListAgentsResponse agents);

  // What was asked for.
  std::vector<v1::SubmitRequest> Submissions();
  std::vector<v1::ReadLogRequest> LogReads();
  std::vector<v1::CancelBuildRequest> Cancellations();
  // Blocks until so many builds were handed in.
  void WaitForSubmissions(size_t count);
  // Blocks until somebody reads that step's log.
  void WaitForLogReader(const std::string& step);

  grpc::Status Submit(grpc::ServerContext* context, const v1::SubmitRequest* request,
                      v1::SubmitResponse* response) override;
  grpc::Status GetBuild(grpc::ServerContext* context, const v1::GetBuildRequest* request,
                        v1::Build* response) override;
  grpc::Status ListBuilds(grpc::ServerContext* context, const v1::ListBuildsRequest* request,
                          v1::ListBuildsResponse* response) override;
  grpc::Status WatchBuild(grpc::ServerContext* context, const v1::WatchBuildRequest* request,
                          grpc::ServerWriter<v1::Build>* writer) override;
  grpc::Status ReadLog(grpc::ServerContext* context, const v1::ReadLogRequest* request,
                       grpc::ServerWriter<v1::LogChunk>* writer) override;
  grpc::Status CancelBuild(grpc::ServerContext* context, const v1::CancelBuildRequest* request,
                           v1::Build* response) override;
  grpc::Status ListAgents(grpc::ServerContext* context, const v1::ListAgentsRequest* request,
                          v1::ListAgentsResponse* response) override;
  grpc::Status DrainAgent(grpc::ServerContext* context, const v1::DrainAgentRequest* request,
                          v1::Agent* response) override;

 private:
  struct Log {
    std::vector<v1::LogRecord> records;
    int64_t bytes = 0;
    bool complete = false;
  };

  // Waits until `ready` or the server stops or the call is cancelled; false when it isn't ready.
  bool Await(grpc::ServerContext* context, const std::function<bool()>& ready)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::string address_;
  std::vector<grpc::Service*> more_services_;
  std::unique_ptr<grpc::Server> server_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, v1::Build> builds_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> keys_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, int>, Log> logs_ ABSL_GUARDED_BY(mutex_);
  v1::ListAgentsResponse agents_ ABSL_GUARDED_BY(mutex_);
  bool hold_submit_answers_ ABSL_GUARDED_BY(mutex_) = false;
  int lost_submit_answers_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<v1::SubmitRequest> submissions_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::ReadLogRequest> log_reads_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::CancelBuildRequest> cancellations_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_TESTING_SCRIPTED_BUILD_SERVICE_H_
