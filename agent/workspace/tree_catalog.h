#ifndef RALLY_AGENT_WORKSPACE_TREE_CATALOG_H_
#define RALLY_AGENT_WORKSPACE_TREE_CATALOG_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "agent/workspace/trash.h"
#include "common/blob/digest.h"

namespace rally::workspace {

// A tree on this host: the layers of an overlay that shows it. The lowest is a whole tree, each
// above it was the upper directory of a step, or holds what differs from the tree below.
struct LocalTree {
  std::vector<uint64_t> layers;  // The topmost first; never empty.
  int64_t entries = 0;
};

// Which trees this host has. On disk: a small file for each tree, published by rename, and the
// layers' directories, named by number. A layer stays as long as a tree or a hold has it.
//
// What a crash of the host leaves: files are not synced when a tree is published, so after it a
// tree may look whole and lack bytes. Each publication has a number, MakeDurable syncs the
// filesystem and then notes the number reached; after a reboot only trees up to that are trusted.
//
// Ownership: the trash must outlive it, and it all holds. Threads: thread-safe. Blocking: on the
// disk, but not under its lock; Has, Recent, All, Layers and the end of a hold don't block.
class TreeCatalog {
 public:
  // Keeps layers on the disk until it ends.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept { *this = std::move(other); }
    Hold& operator=(Hold&& other) noexcept {
      std::swap(catalog_, other.catalog_);
      std::swap(layers_, other.layers_);
      return *this;
    }
    ~Hold();

   private:
    friend class TreeCatalog;
    Hold(TreeCatalog* catalog, std::vector<uint64_t> layers)
        : catalog_(catalog), layers_(std::move(layers)) {}

    TreeCatalog* catalog_ = nullptr;
    std::vector<uint64_t> layers_;
  };
  // A tree that stays usable as long as this exists, whatever becomes of its entry.
  struct HeldTree {
    LocalTree tree;
    Hold hold;
  };

  // Reads what is below `directory`. Trees that can't be trusted are forgotten; their layers are
  // removed by RemoveUnusedLayers.
  static absl::StatusOr<std::unique_ptr<TreeCatalog>> Open(const std::string& directory,
                                                           const std::string& boot_id,
                                                           Trash* trash);

  // Also notes that the tree is used now.
  std::optional<HeldTree> Acquire(const blob::Digest& root);
  // Of somebody who knows the layers already: an attempt from before a restart.
  Hold HoldLayers(std::vector<uint64_t> layers);

  bool Has(const blob::Digest& root) const;
  // The trees used last, the newest first, at most so many.
  std::vector<blob::Digest> Recent(size_t most) const;

  std::vector<std::pair<blob::Digest, LocalTree>> All() const;

  // A layer that trees stand on.
  struct Layer {
    uint64_t number = 0;
    std::vector<blob::Digest> trees;
    uint64_t last_use = 0;  // Of the tree used last; greater is later.
    bool held = false;
  };
  std::vector<Layer> Layers() const;

  // A number that no layer has.
  uint64_t NewLayer();
  // Relative to the directory, short.
  static std::string LayerName(uint64_t layer);

  // Makes the tree known; its layers must be in place. Replaces what was published before.
  absl::Status Publish(const blob::Digest& root, LocalTree tree);

  // Unpublishes a tree. False if it isn't known, or is held.
  absl::StatusOr<bool> Forget(const blob::Digest& root);

  // See above. Blocks for as long as the filesystem has to write.
  absl::Status MakeDurable();

  // Trashes the layers that nothing has any more, and returns their numbers.
  absl::StatusOr<std::vector<uint64_t>> TrashReleased();

  // Trashes the layers on the disk that neither a tree nor a hold has. Only before anybody makes
  // new ones.
  absl::Status RemoveUnusedLayers();

 private:
  struct Known {
    LocalTree tree;
    uint64_t last_use = 0;
  };
  struct LayerUse {
    int trees = 0;
    int holds = 0;
  };

  TreeCatalog(std::string directory, Trash* trash)
      : directory_(std::move(directory)), trash_(trash) {}

  absl::Status Load(const std::string& boot_id);
  std::string PathOf(const blob::Digest& root) const;
  void Insert(const blob::Digest& root, LocalTree tree) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Erase(const blob::Digest& root) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddHold(const std::vector<uint64_t>& layers) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReleaseIfUnused(uint64_t layer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsHeld(const LocalTree& tree) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string directory_;
  Trash* const trash_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<blob::Digest, Known> trees_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, LayerUse> layers_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> released_ ABSL_GUARDED_BY(mutex_);
  uint64_t uses_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_layer_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t next_publication_ ABSL_GUARDED_BY(mutex_) = 1;
  // Publications that are being written; MakeDurable must not promise them.
  absl::flat_hash_set<uint64_t> in_progress_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_TREE_CATALOG_H_
