#ifndef RALLY_CONTROLLER_TESTING_SCRIPTED_AGENT_H_
#define RALLY_CONTROLLER_TESTING_SCRIPTED_AGENT_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rally/v1/agent.grpc.pb.h"

namespace rally::controller {

// For tests: one session of an agent that says what it is told to say, and keeps what it hears.
class ScriptedAgent {
 public:
  ScriptedAgent(const std::shared_ptr<grpc::Channel>& channel, std::string name);
  // Hangs up.
  ~ScriptedAgent();

  v1::Hello MakeHello(const std::vector<v1::AttemptReport>& attempts = {}) const;
  void Send(v1::AgentMessage message);
  void SayHello(v1::Hello hello);
  // Says Hello and returns the Welcome.
  v1::Welcome Connect(const std::vector<v1::AttemptReport>& attempts = {});

  void Prepared(const v1::AttemptKey& key);
  void Started(const v1::AttemptKey& key);
  void Exited(const v1::AttemptKey& key, int exit_code, int64_t log_end = 0,
              const v1::Digest& output = {});
  // For a reason of the host: the step is tried again.
  void Broke(const v1::AttemptKey& key, int64_t log_end = 0);
  using Activities = std::vector<std::pair<v1::AttemptKey, std::string>>;
  void Heartbeat(int64_t seq, bool accepts_work = true, const Activities& activities = {});

  // Waits for such a message, or for the session's end; false when there is none to come.
  bool Hears();
  // The next message that isn't an answer to a heartbeat; fails the test when none comes.
  v1::ControllerMessage Next();
  // Waits for a Prepare, answers it, and goes on until the step runs.
  v1::AttemptKey RunNext();
  // Waits until the controller ends the session.
  grpc::Status End();
  void HangUp();

 private:
  void Read();

  const std::string name_;
  grpc::ClientContext context_;
  const std::unique_ptr<v1::AgentService::Stub> stub_;
  const std::unique_ptr<grpc::ClientReaderWriter<v1::AgentMessage, v1::ControllerMessage>> stream_;
  std::thread reader_;
  std::optional<grpc::Status> status_;

  absl::Mutex mutex_;
  std::deque<v1::ControllerMessage> heard_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

v1::AttemptReport Report(const v1::AttemptKey& key, v1::AttemptState state);

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_TESTING_SCRIPTED_AGENT_H_
