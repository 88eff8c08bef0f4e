#ifndef RALLY_AGENT_WORKSPACE_TRASH_H_
#define RALLY_AGENT_WORKSPACE_TRASH_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rally::workspace {

// A directory where trees go to be removed: a rename now, the deletion later, so that nobody waits
// for it. What a crash leaves in it is removed by the next Empty.
// Threads: thread-safe. Blocking: Empty, for as long as deleting takes.
class Trash {
 public:
  // `directory` is created when absent.
  explicit Trash(std::string directory);

  // Moves a file or directory tree on the same filesystem here. What doesn't exist is fine.
  absl::Status Take(const std::string& path);

  // Deletes what is here. Never follows symlinks and never crosses into another filesystem.
  absl::Status Empty();

 private:
  const std::string directory_;
  std::atomic<uint64_t> next_{0};
};

// Deletes a directory tree, or one file, beneath an open directory.
absl::Status RemoveTree(int parent, const std::string& name);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_TRASH_H_
