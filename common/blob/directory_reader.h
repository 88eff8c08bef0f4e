#ifndef RALLY_COMMON_BLOB_DIRECTORY_READER_H_
#define RALLY_COMMON_BLOB_DIRECTORY_READER_H_

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "common/blob/blob_store.h"
#include "common/blob/digest.h"
#include "common/blob/directory.h"

namespace rally::blob {

// Where the code over trees gets its directories from. What it returns passed Validate.
// Threads: as the implementation says. Blocking: may do disk or network I/O.
// Errors: NotFound (the digest in the message), InvalidArgument (no valid directory), those of a
//   BlobStore.
class DirectoryReader {
 public:
  virtual ~DirectoryReader() = default;

  virtual absl::StatusOr<std::shared_ptr<const Directory>> Read(const Digest& digest) = 0;

  // A hint that these will be read next, so that they can come in one batch. Failing is no harm.
  virtual void Prefetch(absl::Span<const Digest> digests) { (void)digests; }
};

// Reads directories from a blob store, checks them, and keeps the last ones used.
// Ownership: the store must outlive it. Threads: thread-safe; no I/O under its lock.
class CachingDirectoryReader : public DirectoryReader {
 public:
  static constexpr int64_t kDefaultBoundBytes = 64 * 1024 * 1024;

  explicit CachingDirectoryReader(BlobStore* store, int64_t bound_bytes = kDefaultBoundBytes);

  absl::StatusOr<std::shared_ptr<const Directory>> Read(const Digest& digest) override;
  // Fetches those that aren't cached; at most as many as fit half the bound.
  void Prefetch(absl::Span<const Digest> digests) override;

  // Makes a directory known without a read. The caller vouches that it is valid and is what the
  // digest names.
  void Prime(const Digest& digest, std::shared_ptr<const Directory> directory);
  // The same as bytes, which are parsed and checked only if they are read.
  void Prime(const Digest& digest, std::string bytes);

  int64_t cached_bytes() const;

 private:
  // One of both, or none when it isn't cached.
  struct Cached {
    std::shared_ptr<const Directory> directory;
    std::shared_ptr<const std::string> bytes;

    bool known() const { return directory != nullptr || bytes != nullptr; }
  };
  struct Entry {
    Digest digest;
    Cached cached;
    int64_t cost_bytes;
  };

  Cached Find(const Digest& digest);
  void Insert(const Digest& digest, Cached cached);
  absl::StatusOr<std::shared_ptr<const Directory>> ParseAndKeep(const Digest& digest,
                                                                absl::string_view bytes);

  BlobStore* const store_;
  const int64_t bound_bytes_;
  mutable absl::Mutex mutex_;
  std::list<Entry> recent_ ABSL_GUARDED_BY(mutex_);  // The one used last in front.
  absl::flat_hash_map<Digest, std::list<Entry>::iterator> index_ ABSL_GUARDED_BY(mutex_);
  int64_t cached_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_DIRECTORY_READER_H_
