#ifndef RALLY_CONTROLLER_SERVICE_AGENT_SERVICE_H_
#define RALLY_CONTROLLER_SERVICE_AGENT_SERVICE_H_

#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/command.h"
#include "controller/logs/log_store.h"
#include "controller/loop/loop.h"
#include "controller/service/queued_stream.h"
#include "rally/v1/agent.grpc.pb.h"

namespace rally::controller {

// rally.v1.AgentService: turns what agents report into events, and the core's commands into
// messages on the session of the agent that they are for. Decides nothing.
//
// Ownership: the loop and the log store must outlive it; SetLoop comes before the first call.
// Threads: thread-safe.
class AgentService : public v1::AgentService::CallbackService {
 public:
  AgentService(LogStore* logs, absl::Duration heartbeat, absl::Duration grace);

  void SetLoop(Loop* loop) { loop_ = loop; }

  // Sends a command to its agent; dropped when the agent has no session.
  void Send(const std::string& agent, const core::Command& command, int64_t epoch)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends every session, so that a shutdown need not wait for them.
  void CloseAll() ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage>* Connect(
      grpc::CallbackServerContext* context) override;

 private:
  class Session;
  using Handle = QueuedStream<v1::AgentMessage, v1::ControllerMessage>::Handle;
  struct Live {
    int64_t session = 0;
    std::shared_ptr<Handle> handle;
  };

  // Makes the session the agent's only one and returns its number.
  int64_t Register(const std::string& agent, std::shared_ptr<Handle> handle)
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool IsCurrent(const std::string& agent, int64_t session) ABSL_LOCKS_EXCLUDED(mutex_);
  void Unregister(const std::string& agent, int64_t session) ABSL_LOCKS_EXCLUDED(mutex_);
  v1::ControllerMessage WelcomeMessage(const core::SendWelcome& command, int64_t epoch);

  LogStore* const logs_;
  const absl::Duration heartbeat_;
  const absl::Duration grace_;
  Loop* loop_ = nullptr;

  absl::Mutex mutex_;
  std::map<std::string, Live> sessions_ ABSL_GUARDED_BY(mutex_);
  int64_t last_session_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_SERVICE_AGENT_SERVICE_H_
