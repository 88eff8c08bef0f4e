#ifndef RALLY_COMMON_BLOB_TREE_H_
#define RALLY_COMMON_BLOB_TREE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "common/blob/blob_key.h"
#include "common/blob/blob_store.h"
#include "common/blob/digest.h"
#include "common/blob/directory_reader.h"
#include "common/blob/known_sizes.h"

namespace rally::blob {

struct TreeLimits {
  int64_t max_entries = kMaxTreeEntries;
  int max_depth = kMaxTreeDepth;
  // Of all files' contents, each counted as often as it occurs.
  int64_t max_total_bytes = kMaxTreeBytes;
  // Of one file; held where files are read to become a tree, by FileSizes.
  int64_t max_file_bytes = kMaxFileBytes;
};

// A whole tree's directories and what it amounts to. Entries and bytes count each path, so that a
// small graph of shared directories that stands for a huge tree is seen as huge.
struct LoadedTree {
  // All of them, unless a size was known already.
  absl::flat_hash_map<Digest, std::shared_ptr<const Directory>> directories;
  int64_t entries = 0;  // Without the root.
  int64_t total_bytes = 0;
  int depth = 0;  // Components of the longest path.
  bool whole = true;
};

// A directory of the tree, also one that was left out, which comes from `reader`, with its errors.
absl::StatusOr<std::shared_ptr<const Directory>> ReadFrom(const LoadedTree& tree,
                                                          DirectoryReader& reader,
                                                          const Digest& digest);

// The contents of its files, each once.
absl::flat_hash_set<BlobKey> DistinctFiles(const LoadedTree& tree);

// Reads a tree level by level, each level in batches. ResourceExhausted when a limit is exceeded,
// before more is read than the limit allows.
// With `known` it counts what is below a directory of known size without reading that, and adds the
// sizes of the others.
absl::StatusOr<LoadedTree> LoadTree(DirectoryReader& reader, const Digest& root,
                                    const TreeLimits& limits = {}, KnownSizes* known = nullptr);

// The digests of the tree, directories and files, that the store lacks, as far as the directories
// that it has tell; empty means complete. Asks the store about directories, too, also when the
// reader knows them. A directory that the store has in a damaged form counts as missing.
absl::StatusOr<std::vector<Digest>> FindMissingInTree(BlobStore& store, DirectoryReader& reader,
                                                      const Digest& root,
                                                      const TreeLimits& limits = {});

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_TREE_H_
