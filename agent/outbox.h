#ifndef RALLY_AGENT_OUTBOX_H_
#define RALLY_AGENT_OUTBOX_H_

#include <condition_variable>
#include <deque>
#include <mutex>

#include "absl/time/time.h"
#include "rally/v1/agent.pb.h"

namespace rally::agent {

// What waits to be sent to the controller. Open only during a session: what is said outside of one
// is dropped, because after every Welcome all attempts report their present state again.
// Threads: thread-safe. Blocking: Take() only. Errors: a queue that is full breaks the session, and
// the next one starts from the state again.
class Outbox {
 public:
  static constexpr size_t kMaxMessages = 4096;

  void Send(v1::AgentMessage message);

  void Open();
  // Drops what is queued and wakes Take().
  void Close();

  enum class Taken { kMessage, kTimeout, kClosed, kOverflow };
  Taken Take(absl::Duration timeout, v1::AgentMessage* message);

 private:
  // The standard ones, since they wait on the steady clock: heartbeats hang on Take(), and setting
  // the wall clock back must not hold them up. mutex_ guards all that follows.
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  bool overflowed_ = false;
  std::deque<v1::AgentMessage> messages_;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_OUTBOX_H_
