#ifndef RALLY_TESTS_BLOB_SPAWNED_SERVER_H_
#define RALLY_TESTS_BLOB_SPAWNED_SERVER_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "grpcpp/channel.h"

namespace rally::testing {

// A blob store in a process of its own, over a directory that goes with it. It says where it
// listens in a line "listening on ADDRESS".
// Threads: construct and destroy on one. Blocking: both, until the process is up or gone.
class SpawnedServer {
 public:
  // `command` runs in the test's runfiles; in it DIR stands for the directory.
  explicit SpawnedServer(std::vector<std::string> command);
  // Kills it.
  ~SpawnedServer();
  SpawnedServer(const SpawnedServer&) = delete;
  SpawnedServer& operator=(const SpawnedServer&) = delete;

  // Empty if it ended before it listened.
  const std::string& address() const { return address_; }
  std::shared_ptr<grpc::Channel> NewChannel() const;

 private:
  std::string directory_;
  std::string address_;
  pid_t pid_ = -1;
};

}  // namespace rally::testing

#endif  // RALLY_TESTS_BLOB_SPAWNED_SERVER_H_
