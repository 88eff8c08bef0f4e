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
  struct Size {
    int64_t entries = 0;  // without the root
    int64_t total_bytes = 0;
    int height = 0;  // components of the longest path
  };

  TreeExpansion(const Digest& root, const TreeLimits& limits, OwnSizeOf own_size_of)
      : root_(root), limits_(limits), own_size_of_(std::move(own_size_of)) {}

  absl::StatusOr<Size> Measure(const Key& root) {
    absl::StatusOr<Size> size = MeasureAt(root, 0);
    if (!size.ok()) return size;
    if (size->entries > limits_.max_entries) {
      return TreeTooLarge(root_, "entries", limits_.max_entries);
    }
    if (size->total_bytes > limits_.max_total_bytes) {
      return TreeTooLarge(root_, "bytes in its files", limits_.max_total_bytes);
    }
    return size;
  }

 private:
  // The recursion ends at the depth limit, since each call is one more component of a real path.
  absl::StatusOr<Size> MeasureAt(const Key& key, int depth) {
    if (const auto known = sizes_.find(key); known != sizes_.end()) {
      if (depth + known->second.height > limits_.max_depth) return TooDeep();
      return known->second;
    }
    const OwnSize<Key> own = own_size_of_(key);
    Size size;
    size.entries = own.entries;
    size.total_bytes = own.file_bytes;
    size.height = own.entries > 0 ? 1 : 0;
    if (depth + size.height > limits_.max_depth) return TooDeep();
    for (const Key& child : own.children) {
      absl::StatusOr<Size> below = MeasureAt(child, depth + 1);
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
  absl::flat_hash_map<Key, Size> sizes_;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_TREE_EXPANSION_H_
