#ifndef RALLY_AGENT_LOGS_KEEPER_CLIENT_H_
#define RALLY_AGENT_LOGS_KEEPER_CLIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/logs/keeper_connection.h"

namespace rally::logs {

// The agent's way to its keeper: starts one when none runs, and hands out connections to it. While
// this object lives, the keeper stays even with nothing to hold.
// Ownership: the keeper outlives this object and its process. Threads: thread-safe.
// Blocking: every method, up to about the timeout given. Errors: kUnavailable when the keeper can't
// be reached or started in time (the message tells what it said), kNotFound for an unknown attempt.
class KeeperClient {
 public:
  struct Options {
    // Absolute, for this agent only. Holds the keeper's executable and socket.
    std::string directory;
    // The executable, see EmbeddedKeeper(). Must outlive the client.
    absl::string_view executable;
    absl::Duration timeout = absl::Seconds(10);
    // How long a keeper without clients and attempts stays.
    absl::Duration idle_exit = absl::Seconds(5);
  };

  static absl::StatusOr<std::unique_ptr<KeeperClient>> Start(const Options& options);

  // A new connection, to a new keeper when there was none.
  absl::StatusOr<std::unique_ptr<KeeperConnection>> Connect() ABSL_LOCKS_EXCLUDED(mutex_);

  // The attempts that the keeper holds, for example to forget those that the agent doesn't know.
  absl::StatusOr<std::vector<std::string>> List();
  // Drops an attempt with all bytes of it. An unknown one is OK.
  absl::Status Forget(const std::string& key);
  // Ends the keeper now if it holds nothing; for a clean shutdown. No keeper is OK;
  // kFailedPrecondition when attempts are held, and then it stays.
  absl::Status ExitIfIdle() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string& socket_path() const { return socket_path_; }

 private:
  explicit KeeperClient(const Options& options);

  absl::Status InstallExecutable() const;
  // Returns OK when the keeper listens, this one or another.
  absl::Status Spawn() const;
  void StayPresent() ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  const std::string executable_path_;
  const std::string socket_path_;
  absl::Mutex mutex_;
  // Never used; the keeper doesn't leave while it's there.
  std::unique_ptr<KeeperConnection> presence_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::logs

#endif  // RALLY_AGENT_LOGS_KEEPER_CLIENT_H_
