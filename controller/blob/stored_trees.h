#ifndef RALLY_CONTROLLER_BLOB_STORED_TREES_H_
#define RALLY_CONTROLLER_BLOB_STORED_TREES_H_

#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/blob/digest.h"
#include "common/blob/tree.h"
#include "controller/blob/blob_key.h"
#include "controller/blob/directory_outlines.h"
#include "controller/blob/disk_store.h"

namespace rally::cas {

// blob::FindMissingInTree for a store in the same process, where a tree that resembles an earlier
// one costs a look at each of its files, but no reading. The answer is the same: the store is asked
// about each blob, and keeps it for its grace.
//
// Why not remember that a tree was complete? Then a file that was lost meanwhile, by a broken disk
// or an operator, would be found only by the step that needs it.
//
// Ownership: everything given must outlive it. Threads: thread-safe. Blocking: on the disk, for a
//   time in proportion to the tree.
// Errors: ResourceExhausted (limits), InvalidArgument (no valid directory).
class StoredTrees {
 public:
  StoredTrees(DiskStore* store, DirectoryOutlines* outlines) : store_(store), outlines_(outlines) {}

  // Sorted, each once.
  absl::StatusOr<std::vector<blob::Digest>> FindMissing(const blob::Digest& root,
                                                        const blob::TreeLimits& limits = {}) const;

  // Those of one walk.
  using Outlines = absl::flat_hash_map<BlobKey, std::shared_ptr<const DirectoryOutline>>;

 private:
  void FindMissingFiles(const Outlines& outlines, std::vector<BlobKey>* missing) const;

  DiskStore* const store_;
  DirectoryOutlines* const outlines_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_STORED_TREES_H_
