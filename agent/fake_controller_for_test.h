#ifndef RALLY_AGENT_FAKE_CONTROLLER_FOR_TEST_H_
#define RALLY_AGENT_FAKE_CONTROLLER_FOR_TEST_H_

#include <grpcpp/server.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rally/v1/agent.grpc.pb.h"

namespace rally::agent {

// The controller's side of an agent's streams, on a port of its own, as a script of the test. It
// answers Hello with the Welcome given, heartbeats with their acknowledgement, and appends by
// keeping them; the rest is the test's.
class FakeController : public v1::AgentService::Service, public v1::LogService::Service {
 public:
  FakeController();
  ~FakeController() override;

  const std::string& address() const { return address_; }

  // What the next sessions are answered.
  void SetWelcome(v1::Welcome welcome) ABSL_LOCKS_EXCLUDED(mutex_);
  // To the session that is open.
  void Send(v1::ControllerMessage message) ABSL_LOCKS_EXCLUDED(mutex_);
  void EndSessions() ABSL_LOCKS_EXCLUDED(mutex_);
  void SetAnswersHeartbeats(bool answers) ABSL_LOCKS_EXCLUDED(mutex_);

  // The next message that isn't a heartbeat; empty after ten seconds.
  v1::AgentMessage Next() ABSL_LOCKS_EXCLUDED(mutex_);
  int heartbeats() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Logs: all appends go to one. Some can be refused, or the stream cut before an answer.
  void FailAppends(int times) ABSL_LOCKS_EXCLUDED(mutex_);
  void BreakLogStreamAfter(int appends) ABSL_LOCKS_EXCLUDED(mutex_);
  std::string LogText() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool LogComplete() const ABSL_LOCKS_EXCLUDED(mutex_);
  int appends() const ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::Status Connect(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::ControllerMessage, v1::AgentMessage>* stream) override;
  grpc::Status Append(grpc::ServerContext* context,
                      grpc::ServerReaderWriter<v1::LogAck, v1::LogAppend>* stream) override;

 private:
  using Stream = grpc::ServerReaderWriter<v1::ControllerMessage, v1::AgentMessage>;

  v1::LogAck Keep(const v1::LogAppend& append) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  v1::Welcome welcome_ ABSL_GUARDED_BY(mutex_);
  bool answers_heartbeats_ ABSL_GUARDED_BY(mutex_) = true;
  std::deque<v1::AgentMessage> received_ ABSL_GUARDED_BY(mutex_);
  int heartbeats_ ABSL_GUARDED_BY(mutex_) = 0;
  Stream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
  grpc::ServerContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::string log_ ABSL_GUARDED_BY(mutex_);
  bool log_complete_ ABSL_GUARDED_BY(mutex_) = false;
  int appends_ ABSL_GUARDED_BY(mutex_) = 0;
  int failing_appends_ ABSL_GUARDED_BY(mutex_) = 0;
  int break_after_ ABSL_GUARDED_BY(mutex_) = -1;

  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_FAKE_CONTROLLER_FOR_TEST_H_
