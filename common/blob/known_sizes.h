#ifndef RALLY_COMMON_BLOB_KNOWN_SIZES_H_
#define RALLY_COMMON_BLOB_KNOWN_SIZES_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "common/blob/blob_key.h"
#include "common/blob/digest.h"

namespace rally::blob {

// What a directory stands for with all that is below it. Entries and bytes count each path.
struct TreeSize {
  int64_t entries = 0;  // Without the directory itself.
  int64_t total_bytes = 0;
  int height = 0;  // Components of the longest path.
};

// The sizes of directories of which every message below was read and found valid. A digest binds
// all that, so a size stays true whatever becomes of the messages, and a tree that has such a
// directory can be measured without a look into it.
// Threads: thread-safe. Blocking: never.
class KnownSizes {
 public:
  static constexpr size_t kMaxDirectories = 100'000;

  std::optional<TreeSize> Find(const Digest& directory) const;

  // Forgets all others when they would be too many together. It is only work that is lost.
  void Add(const absl::flat_hash_map<Digest, TreeSize>& sizes);

 private:
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<BlobKey, TreeSize> sizes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_KNOWN_SIZES_H_
