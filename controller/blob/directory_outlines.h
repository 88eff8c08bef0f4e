#ifndef RALLY_CONTROLLER_BLOB_DIRECTORY_OUTLINES_H_
#define RALLY_CONTROLLER_BLOB_DIRECTORY_OUTLINES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/blob/blob_store.h"
#include "controller/blob/blob_key.h"

namespace rally::cas {

// What the upkeep of trees needs of a directory: which blobs it names, and what it amounts to. A
// value; duplicates among the children stay.
struct DirectoryOutline {
  std::vector<BlobKey> directories;
  std::vector<BlobKey> files;
  int64_t entries = 0;     // symlinks too
  int64_t file_bytes = 0;  // stays at the greatest number
};

// Reads outlines from a blob store and keeps those used last: a tenth of the size of the parsed
// messages, so that the trees of many builds fit. An outline says nothing about whether its blobs
// are there, nor its own.
//
// Ownership: the store must outlive it. Threads: thread-safe; no I/O under its lock.
// Blocking: Read, on the store. Errors: NotFound and DataLoss (the store has no such blob),
//   InvalidArgument (it is no valid directory), ResourceExhausted (too large for one).
class DirectoryOutlines {
 public:
  static constexpr size_t kDefaultBoundBytes = 16 << 20;

  explicit DirectoryOutlines(blob::BlobStore* store, size_t bound_bytes = kDefaultBoundBytes)
      : store_(store), bound_bytes_(bound_bytes) {}

  absl::StatusOr<std::shared_ptr<const DirectoryOutline>> Read(const BlobKey& directory);

  // How many were read from the store: what a tree that is known already must not add to.
  int64_t reads() const ABSL_LOCKS_EXCLUDED(mutex_);
  size_t cached_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Outlines = absl::flat_hash_map<BlobKey, std::shared_ptr<const DirectoryOutline>>;

  void Keep(const BlobKey& key, std::shared_ptr<const DirectoryOutline> outline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  blob::BlobStore* const store_;
  const size_t bound_bytes_;
  mutable absl::Mutex mutex_;
  // Two generations instead of an order: when the young ones take half of the bound they become
  // the old ones, and those that nobody asked for since the last time go.
  Outlines young_ ABSL_GUARDED_BY(mutex_);
  Outlines old_ ABSL_GUARDED_BY(mutex_);
  size_t young_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t old_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t reads_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_DIRECTORY_OUTLINES_H_
