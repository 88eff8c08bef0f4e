#ifndef RALLY_AGENT_KEEPER_KEEPER_H_
#define RALLY_AGENT_KEEPER_KEEPER_H_

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>

#include "agent/keeper/connection.h"
#include "agent/keeper/held_attempt.h"
#include "agent/keeper/protocol.h"
#include "common/file_descriptor.h"

namespace rally::keeper {

// The keeper: holds the FIFOs of the steps of this host open while agents come and go, and gives
// their bytes to whoever is attached. It writes nothing to a disk.
// Ownership: owns the listening socket, connections and attempts. Threads: one. Blocking: Run()
// blocks in poll() until nothing is held and no client has been there for `idle_exit_ms`.
class Keeper {
 public:
  // `socket_path` is where `listener` is bound.
  Keeper(FileDescriptor listener, std::string socket_path, int64_t idle_exit_ms);

  // Serves until there is nothing left to do.
  void Run();

 private:
  void Accept();
  void Serve(Connection* connection);
  // Each answers one request; false for a payload that breaks the protocol.
  bool Handle(Connection* connection, const Frame& frame);
  bool HandleHello(Connection* connection, PayloadReader payload);
  bool HandleOpen(Connection* connection, PayloadReader payload);
  bool HandleAttach(Connection* connection, PayloadReader payload);
  bool HandleAck(Connection* connection, PayloadReader payload);
  bool HandleFinish(Connection* connection, PayloadReader payload);
  bool HandleForget(Connection* connection, PayloadReader payload);
  bool HandleList(Connection* connection, PayloadReader payload);
  bool HandleExitIfIdle(Connection* connection, PayloadReader payload);

  void Reply(Connection* connection, Code code, const std::string& message,
             std::string_view rest = {});
  // The attempt named `key`; without one, replies so and returns null.
  HeldAttempt* Find(Connection* connection, std::string_view key);
  Connection* ReaderOf(std::string_view key);
  void Displace(std::string_view key);
  void Feed(Connection* connection);
  // Milliseconds until Run() should look again by itself, -1 for never, 0 to end.
  int IdleTimeout();

  FileDescriptor listener_;
  FileDescriptor spare_;  // Given up to turn a client away when there are no descriptors left.
  const std::string socket_path_;
  const int64_t idle_exit_ms_;
  int64_t idle_since_ms_ = -1;  // On the monotonic clock; -1 while there is something to do.
  bool exit_when_idle_ = false;
  std::list<Connection> connections_;
  std::map<std::string, HeldAttempt, std::less<>> attempts_;
};

}  // namespace rally::keeper

#endif  // RALLY_AGENT_KEEPER_KEEPER_H_
