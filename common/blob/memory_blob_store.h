#ifndef RALLY_COMMON_BLOB_MEMORY_BLOB_STORE_H_
#define RALLY_COMMON_BLOB_MEMORY_BLOB_STORE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "common/blob/blob_store.h"

namespace rally::blob {

// A blob store in memory, for tests; it can be asked what happened to it, and made to misbehave.
// Threads: thread-safe. Blocking: only on the files that uploads open or downloads write.
class MemoryBlobStore : public BlobStore {
 public:
  MemoryBlobStore() = default;

  absl::StatusOr<std::vector<Digest>> FindMissing(absl::Span<const Digest> digests) override;
  absl::Status Upload(std::vector<BlobUpload> uploads) override;
  absl::StatusOr<std::vector<std::string>> Read(absl::Span<const Digest> digests) override;
  absl::Status ReadToFile(const Digest& digest, int fd) override;

  // Stores the bytes and names them.
  Digest Put(std::string bytes);
  void Remove(const Digest& digest);
  // What is handed out as `digest` from now on, right or wrong; reads verify it.
  void Corrupt(const Digest& digest, std::string bytes);
  // Every call fails with this until it is set to OK again.
  void FailWith(absl::Status status);

  int64_t blob_count() const;
  int64_t uploaded_blobs() const;
  int64_t uploaded_bytes() const;
  int64_t read_blobs() const;
  int64_t read_bytes() const;

 private:
  absl::StatusOr<std::string> ReadOne(const Digest& digest);

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<Digest, std::string> blobs_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  int64_t uploaded_blobs_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t uploaded_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t read_blobs_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t read_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_MEMORY_BLOB_STORE_H_
