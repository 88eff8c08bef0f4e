#ifndef RALLY_AGENT_SESSION_H_
#define RALLY_AGENT_SESSION_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/executor.h"
#include "agent/journal.h"
#include "agent/outbox.h"
#include "rally/v1/agent.grpc.pb.h"

namespace rally::agent {

// The agent's word with the controller: dials until it's answered, says Hello, hands orders on, and
// sends what the outbox has and a heartbeat in between. It decides nothing about attempts, and does
// nothing that could delay a heartbeat.
// Ownership: owns its two threads (reading, writing); everything else outlives it.
// Threads: thread-safe. Blocking: Stop() until the threads have ended, which is soon.
// Errors: none come out; the log says why there is no session.
class Session {
 public:
  struct Identity {
    std::string name;
    std::string boot_id;
    int slots = 1;
    std::map<std::string, std::string> labels;
  };
  struct Health {
    int64_t free_bytes = 0;
    bool accepts_work = true;
  };

  // `health` must answer at once, from any thread.
  Session(std::shared_ptr<grpc::Channel> channel, const Identity& identity, Journal* journal,
          Executor* executor, Outbox* outbox, std::function<Health()> health);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void Start();
  void Stop();

  // Whether a Welcome was obeyed and the stream still stands.
  bool connected() const { return connected_; }

 private:
  using Stream = grpc::ClientReaderWriter<v1::AgentMessage, v1::ControllerMessage>;
  using Clock = std::chrono::steady_clock;

  void Run();
  // One session, from dialling to its end; why it ended.
  absl::Status Converse();
  absl::Status ObeyWelcome(const v1::Welcome& welcome);
  void Dispatch(const v1::ControllerMessage& message);
  // False for an order of a controller that was replaced.
  bool IsCurrent(int64_t epoch, const char* what);
  void OnHeartbeatAck(int64_t seq);
  void WriteMessages(Stream* stream, absl::Duration interval);
  v1::AgentMessage HelloMessage() const;
  v1::AgentMessage HeartbeatMessage();
  void CancelStream();
  bool Sleep(absl::Duration duration);

  const std::unique_ptr<v1::AgentService::Stub> stub_;
  const Identity identity_;
  Journal* const journal_;
  Executor* const executor_;
  Outbox* const outbox_;
  const std::function<Health()> health_;

  std::atomic<bool> connected_{false};
  std::atomic<int64_t> last_ack_nanos_{0};  // On the steady clock.
  int64_t heartbeat_seq_ = 0;               // The writing thread's.
  int64_t hello_boot_nanos_ = 0;            // The reading thread's: when the Hello was sent.
  bool resumed_ = false;                    // The reading thread's.

  std::mutex mutex_;
  std::condition_variable changed_;
  // All guarded by it. When each heartbeat of this session was sent that hasn't been answered.
  std::map<int64_t, int64_t> unanswered_;
  grpc::ClientContext* context_ = nullptr;  // Of the stream that is open.
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_SESSION_H_
