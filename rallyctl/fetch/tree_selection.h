#ifndef RALLY_RALLYCTL_FETCH_TREE_SELECTION_H_
#define RALLY_RALLYCTL_FETCH_TREE_SELECTION_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/blob/digest.h"
#include "common/blob/directory_reader.h"

namespace rally::rallyctl {

// The components of a path in a workspace. InvalidArgument for an absolute one, and for "..".
absl::StatusOr<std::vector<std::string>> SplitWorkspacePath(const std::string& path);

// The part of a tree that some paths name, as a tree of its own: the folders on the way hold
// nothing else. It is made in memory; everything below a named folder is the original's.
//
// Ownership: the original's reader outlives it. Threads: as that reader.
class TreeSelection final : public blob::DirectoryReader {
 public:
  // Paths are relative to the root, "a/b" or "./a/b/". No paths, or ".", select everything.
  // InvalidArgument for a path that leaves the tree; NotFound for one that isn't there, saying
  // where it stops. A symlink on the way isn't followed.
  static absl::StatusOr<std::unique_ptr<TreeSelection>> Make(const blob::Digest& root,
                                                             blob::DirectoryReader* reader,
                                                             const std::vector<std::string>& paths);

  const blob::Digest& root() const { return root_; }

  absl::StatusOr<std::shared_ptr<const blob::Directory>> Read(const blob::Digest& digest) override;
  void Prefetch(absl::Span<const blob::Digest> digests) override;

 private:
  explicit TreeSelection(blob::DirectoryReader* reader) : reader_(reader) {}

  // `paths` holds the names below this folder; an empty list of names takes all of it.
  absl::StatusOr<blob::Digest> Select(const blob::Digest& folder, const std::string& where,
                                      const std::vector<std::vector<std::string>>& paths);

  blob::DirectoryReader* const reader_;
  blob::Digest root_;
  absl::flat_hash_map<blob::Digest, std::shared_ptr<const blob::Directory>> made_;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FETCH_TREE_SELECTION_H_
