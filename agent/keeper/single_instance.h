#ifndef RALLY_AGENT_KEEPER_SINGLE_INSTANCE_H_
#define RALLY_AGENT_KEEPER_SINGLE_INSTANCE_H_

#include <string>

#include "common/file_descriptor.h"

namespace rally::keeper {

// The right to listen at a socket's path: a lock on the file PATH.lock, which dies with its holder
// however that ends, unlike the socket's name.
// Ownership: holds the lock; a child of fork() shares it. Not thread-safe; nothing blocks.
class SingleInstance {
 public:
  enum class Result { kMine, kTaken, kFailed };

  explicit SingleInstance(std::string socket_path);

  // Takes the lock, or tells that another process has it.
  Result Acquire();
  // Binds and listens, in place of what a dead predecessor left. The socket is its user's only.
  Result Listen(FileDescriptor* listener);
  // Removes both names. To be called by the last process, before it ends.
  void RemoveNames();

  const std::string& error() const { return error_; }

 private:
  Result Fail(const std::string& doing);

  const std::string socket_path_;
  const std::string lock_path_;
  FileDescriptor lock_;
  std::string error_;
};

}  // namespace rally::keeper

#endif  // RALLY_AGENT_KEEPER_SINGLE_INSTANCE_H_
