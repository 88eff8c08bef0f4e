#ifndef RALLY_AGENT_WORKSPACE_TREE_EVICTION_H_
#define RALLY_AGENT_WORKSPACE_TREE_EVICTION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "agent/workspace/directory_messages.h"
#include "agent/workspace/local_files.h"
#include "agent/workspace/trash.h"
#include "agent/workspace/tree_catalog.h"
#include "agent/workspace/workspace_store.h"

namespace rally::workspace {

// Takes trees away from a host when they exceed their budget: the layers whose trees were used the
// longest ago first, and with a layer all trees that stand on it. What somebody holds stays.
//
// Ownership: what the constructor takes must outlive it. Threads: thread-safe; one works, others
// wait. Blocking: on the disk, for as long as measuring and deleting take.
class TreeEviction {
 public:
  TreeEviction(std::string directory, TreeBudget budget, TreeCatalog* catalog,
               LocalFiles* local_files, DirectoryMessages* messages, Trash* trash);

  // Evicts until the budget is kept with so many bytes more. ResourceExhausted, for people, when
  // all that is left is in use.
  absl::Status MakeRoom(int64_t wanted_bytes = 0) ABSL_LOCKS_EXCLUDED(mutex_);

  // Deletes what nothing needs any more, and what lies in the trash.
  absl::Status RemoveReleased();

 private:
  struct Size {
    int64_t bytes = 0;
    int64_t entries = 0;
  };

  absl::Status Run(int64_t wanted_bytes);
  // What has to go; nothing if both are zero.
  absl::StatusOr<Size> Excess(int64_t wanted_bytes);
  std::vector<blob::Digest> Choose(const Size& excess);
  Size SizeOfLayer(uint64_t layer);
  int64_t BytesOfAllLayers();
  void ForgetMessages();

  const std::string directory_;
  const TreeBudget budget_;
  TreeCatalog* const catalog_;
  LocalFiles* const local_files_;
  DirectoryMessages* const messages_;
  Trash* const trash_;

  absl::Mutex mutex_;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  // The runner's: what was measured since the last eviction.
  absl::flat_hash_map<uint64_t, Size> sizes_;
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_TREE_EVICTION_H_
