#ifndef RALLY_CONTROLLER_SERVICE_AGENT_SERVICE_H_
#define RALLY_CONTROLLER_SERVICE_AGENT_SERVICE_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "controller/core/command.h"
#include "controller/logs/log_store.h"
#include "controller/loop/loop.h"
#include "controller/service/queued_stream.h"
#include "controller/worker_pool.h"
#include "rally/v1/agent.grpc.pb.h"

namespace rally::controller {

// rally.v1.AgentService: turns what agents report into events, and the core's commands into
// messages on the session of the agent that they are for. Decides nothing. A result that names an
// output tree is handed on when the blobs that were stored before it are durable.
//
// Ownership: everything in Parts must outlive it; SetLoop comes before the first call.
// Threads: thread-safe; Send is the loop thread's. Blocking: nothing.
class AgentService : public v1::AgentService::CallbackService {
 public:
  struct Parts {
    LogStore* logs;
    WorkerPool* workers;  // look at logs, sync blobs
    std::function<bool()> blobs_are_durable;
    std::function<absl::Status()> sync_blobs;
    absl::Duration heartbeat;
    absl::Duration grace;
  };

  explicit AgentService(Parts parts) : parts_(std::move(parts)) {}

  void SetLoop(Loop* loop) { loop_ = loop; }

  // Sends a command to its agent; dropped when the agent has no session, or has one that was not
  // welcomed yet: its Hello will be answered with all that it needs.
  void Send(const std::string& agent, const core::Command& command, int64_t epoch)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends every session, so that a shutdown need not wait for them.
  void CloseAll() ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage>* Connect(
      grpc::CallbackServerContext* context) override;

 private:
  class Session;
  using Handle = QueuedStream<v1::AgentMessage, v1::ControllerMessage>::Handle;
  // Where the log of each attempt ends that the agent said it has.
  using LogOffsets = std::map<std::tuple<std::string, int, int>, int64_t>;

  struct Live {
    int64_t session = 0;
    std::string incarnation;
    std::shared_ptr<Handle> handle;
    LogOffsets log_offsets;
    bool welcomed = false;
  };
  enum class Standing {
    kReplaced,  // a newer session took over, or this one has ended
    kUnwelcomed,
    kWelcomed,
  };

  // Makes the session the agent's only one and returns its number. AlreadyExists while another
  // agent of this name is connected.
  absl::StatusOr<int64_t> Register(const v1::Hello& hello, std::shared_ptr<Handle> handle)
      ABSL_LOCKS_EXCLUDED(mutex_);
  Standing StandingOf(const std::string& agent, int64_t session) ABSL_LOCKS_EXCLUDED(mutex_);
  // On a worker: gathers what the Welcome must say, and tells the core of the session.
  void Introduce(const v1::Hello& hello, int64_t session, const std::shared_ptr<Handle>& handle)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Unregister(const std::string& agent, int64_t session) ABSL_LOCKS_EXCLUDED(mutex_);
  v1::ControllerMessage WelcomeMessage(const core::SendWelcome& command, int64_t epoch,
                                       const LogOffsets& log_offsets) const;

  const Parts parts_;
  Loop* loop_ = nullptr;

  absl::Mutex mutex_;
  std::map<std::string, Live> sessions_ ABSL_GUARDED_BY(mutex_);
  int64_t last_session_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_SERVICE_AGENT_SERVICE_H_
