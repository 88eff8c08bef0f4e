#ifndef RALLY_AGENT_ATTEMPT_TOOLS_H_
#define RALLY_AGENT_ATTEMPT_TOOLS_H_

#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "agent/controller_contact.h"
#include "agent/data_directory.h"
#include "agent/journal.h"
#include "agent/logs/attempt_log.h"
#include "agent/logs/keeper_client.h"
#include "agent/outbox.h"
#include "agent/runtime/container_runtime.h"
#include "agent/step_clock.h"
#include "agent/workspace/workspace_store.h"
#include "rally/v1/agent.pb.h"

namespace rally::agent {

// Where the logs of attempts go. When all of a log is durable at the controller, the sink says so
// to whoever made it. Thread-safe; only Drop() blocks, shortly.
class LogSink {
 public:
  virtual ~LogSink() = default;

  // Sends the log as it grows. Without `from`, only once Resume() says from where.
  // The log is shared, since the attempt ends at another time than its log is sent.
  virtual void Add(const v1::AttemptKey& key, std::shared_ptr<logs::AttemptLog> log,
                   absl::optional<int64_t> from) = 0;
  // The controller has everything below `offset`.
  virtual void Resume(const v1::AttemptKey& key, int64_t offset) = 0;
  // Nothing beyond `end` will come, though the log can't say so itself.
  virtual void CloseAt(const v1::AttemptKey& key, int64_t end) = 0;
  // Afterwards the sink has let go of the log.
  virtual void Drop(const v1::AttemptKey& key) = 0;
};

// What every step of this host may use, and how long it gets.
struct StepLimits {
  runtime::StepNetwork network = runtime::StepNetwork::kNone;
  int64_t memory_bytes = 0;
  double cpus = 0;
  int64_t pids = 0;
  absl::Duration kill_grace = absl::Seconds(10);
  absl::Duration prepare_bound = absl::Minutes(10);
  absl::Duration capture_bound = absl::Minutes(10);
  // Between tries of what failed because somebody didn't answer.
  absl::Duration first_retry_pause = absl::Milliseconds(200);
  absl::Duration longest_retry_pause = absl::Seconds(10);
};

// What an attempt works with. All of it outlives every attempt.
struct AttemptTools {
  runtime::ContainerRuntime* runtime = nullptr;
  workspace::WorkspaceStore* workspaces = nullptr;
  logs::KeeperClient* keeper = nullptr;
  Journal* journal = nullptr;
  const DataDirectory* data = nullptr;
  StepClock* clock = nullptr;
  Outbox* outbox = nullptr;
  LogSink* logs = nullptr;
  const ControllerContact* contact = nullptr;  // The executor's.
  StepLimits limits;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_ATTEMPT_TOOLS_H_
