#ifndef RALLY_AGENT_WORKSPACE_TREE_UPKEEP_H_
#define RALLY_AGENT_WORKSPACE_TREE_UPKEEP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/workspace/background_work.h"
#include "agent/workspace/delta_capture.h"
#include "agent/workspace/directory_messages.h"
#include "agent/workspace/tree_cache.h"
#include "agent/workspace/tree_catalog.h"
#include "agent/workspace/tree_eviction.h"
#include "common/blob/digest.h"
#include "common/blob/directory_reader.h"

namespace rally::workspace {

// What the trees of a host need and no step should wait for. Each method queues some of it and
// returns; when the queue is full, something in it does the same, or the next call does.
// Ownership: its parts must outlive the background work. Threads: thread-safe. Blocking: never.
// Errors: logged; each costs only time later.
class TreeUpkeep {
 public:
  struct Parts {
    BackgroundWork* background = nullptr;
    TreeCatalog* catalog = nullptr;
    TreeCache* cache = nullptr;
    TreeEviction* eviction = nullptr;
    DirectoryMessages* messages = nullptr;
    blob::CachingDirectoryReader* reader = nullptr;
    size_t max_layers = 1;
  };

  explicit TreeUpkeep(const Parts& parts) : parts_(parts) {}

  void EmptyTrash();
  // The budget, and so many bytes more.
  void MakeRoom(int64_t wanted_bytes = 0);
  // The directories of a captured tree, which is the next step's input, most likely.
  void KeepMessages(decltype(CapturedDelta::directories) messages);
  void FlattenIfDeep(const blob::Digest& root, const LocalTree& tree);
  // At most every few minutes.
  void MakeDurable() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const Parts parts_;
  std::atomic<bool> room_wanted_{false};  // A look at the budget is queued.
  bool had_room_ = true;                  // The background's: at the last look.
  absl::Mutex mutex_;
  absl::Time last_durable_ ABSL_GUARDED_BY(mutex_) = absl::Now();
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_TREE_UPKEEP_H_
