#ifndef RALLY_COMMON_BLOB_TREE_EXPANSION_H_
#define RALLY_COMMON_BLOB_TREE_EXPANSION_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/blob/digest.h"
#include "common/blob/tree.h"

namespace rally::blob {

// A sum that stays at the greatest number instead of wrapping: a tree bomb overflows anything.
inline int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<int64_t>::max() : sum;
}

inline absl::Status TreeTooLarge(const Digest& root, absl::string_view what, int64_t limit) {
  return absl::ResourceExhaustedError(
      absl::StrCat("tree ", root.ToString(), " has more than ", limit, " ", what));
}

// What a directory has itself, without what is below its children.
template <typename Key>
struct OwnSize {
  int64_t entries = 0;
  int64_t file_bytes = 0;
  std::vector<Key> children;  // directories
};

// Counts what a tree stands for, each shared directory as often as it occurs, but looks at it once.
// `OwnSizeOf(key)` gives an OwnSize, empty for a directory that isn't known.
// Threads: not thread-safe. Blocking: never. Errors: ResourceExhausted, which names the root.
template <typename Key, typename OwnSizeOf>
class TreeExpansion {
 public:
  using Sizes = absl::flat_hash_map<Key, TreeSize>;

  // Into what is `known` already it doesn't look.
  TreeExpansion(const Digest& root, const TreeLimits& limits, OwnSizeOf own_size_of,
                Sizes known = {})
      : root_(root),
        limits_(limits),
        own_size_of_(std::move(own_size_of)),
        sizes_(std::move(known)) {}

  absl::StatusOr<TreeSize> Measure(const Key& root) {
    absl::StatusOr<TreeSize> size = MeasureAt(root, 0);
    if (!size.ok()) return size;
    if (size->entries > limits_.max_entries) {
      return TreeTooLarge(root_, "entries", limits_.max_entries);
    }
    if (size->total_bytes > limits_.max_total_bytes) {
      return TreeTooLarge(root_, "bytes in its files", limits_.max_total_bytes);
    }
    return size;
  }

  // Of all that was measured or known.
  const Sizes& sizes() const { return sizes_; }

 private:
  // The recursion ends at the depth limit, since each call is one more component of a real path.
  absl::StatusOr<TreeSize> MeasureAt(const Key& key, int depth) {
    if (const auto known = sizes_.find(key); known != sizes_.end()) {
      if (depth + known->second.height > limits_.max_depth) return TooDeep();
      return known->second;
    }
    const OwnSize<Key> own = own_size_of_(key);
    TreeSize size;
    size.entries = own.entries;
    size.total_bytes = own.file_bytes;
    size.height = own.entries > 0 ? 1 : 0;
    if (depth + size.height > limits_.max_depth) return TooDeep();
    for (const Key& child : own.children) {
      absl::StatusOr<TreeSize> below = MeasureAt(child, depth + 1);
      if (!below.ok()) return below;
      size.entries = SaturatingAdd(size.entries, below->entries);
      size.total_bytes = SaturatingAdd(size.total_bytes, below->total_bytes);
      size.height = std::max(size.height, below->height + 1);
    }
    sizes_[key] = size;
    return size;
  }

  absl::Status TooDeep() const { return TreeTooLarge(root_, "levels", limits_.max_depth); }

  const Digest& root_;
  const TreeLimits& limits_;
  const OwnSizeOf own_size_of_;
  Sizes sizes_;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_TREE_EXPANSION_H_
