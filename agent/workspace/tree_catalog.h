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
// above it was the upper directory of a step.
struct LocalTree {
  std::vector<uint64_t> layers;  // The topmost first; never empty.
  int64_t entries = 0;
};

// Which trees this host has. On disk: a small file for each tree, published by rename, and the
// layers' directories, named by number.
//
// What a crash of the host leaves: files are not synced when a tree is published, so after it a
// tree may look whole and lack bytes. Each publication has a number, MakeDurable syncs the
// filesystem and then notes the number reached; after a reboot only trees up to that are trusted.
//
// Ownership: the trash must outlive it. Threads: thread-safe. Blocking: on the disk, but not under
// its lock, except for Find, Has and All, which don't block.
class TreeCatalog {
 public:
  // Reads what is below `directory`. Trees that can't be trusted are forgotten; their layers are
  // removed by RemoveUnusedLayers.
  static absl::StatusOr<std::unique_ptr<TreeCatalog>> Open(const std::string& directory,
                                                           const std::string& boot_id,
                                                           Trash* trash);

  std::optional<LocalTree> Find(const blob::Digest& root) const;
  bool Has(const blob::Digest& root) const { return Find(root).has_value(); }
  std::vector<std::pair<blob::Digest, LocalTree>> All() const;

  // A number that no layer has.
  uint64_t NewLayer();
  // Relative to the directory, short.
  static std::string LayerName(uint64_t layer);

  // Makes the tree known; its layers must be in place. Replaces what was published before.
  absl::Status Publish(const blob::Digest& root, LocalTree tree);

  // See above. Blocks for as long as the filesystem has to write.
  absl::Status MakeDurable();

  // Trashes the layers that neither a tree nor `used` names. Only before anybody makes new ones.
  absl::Status RemoveUnusedLayers(const absl::flat_hash_set<uint64_t>& used);

 private:
  TreeCatalog(std::string directory, Trash* trash)
      : directory_(std::move(directory)), trash_(trash) {}

  absl::Status Load(const std::string& boot_id);

  const std::string directory_;
  Trash* const trash_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<blob::Digest, LocalTree> trees_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_layer_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t next_publication_ ABSL_GUARDED_BY(mutex_) = 1;
  // Publications that are being written; MakeDurable must not promise them.
  absl::flat_hash_set<uint64_t> in_progress_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_TREE_CATALOG_H_
