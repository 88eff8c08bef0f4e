#ifndef RALLY_RALLYCTL_FETCH_COUNTING_STORE_H_
#define RALLY_RALLYCTL_FETCH_COUNTING_STORE_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/blob/blob_store.h"

namespace rally::rallyctl {

// A store that tells how many bytes were read from it so far.
// Ownership: the other store outlives it. Threads: as the other store; the function is called by
// one thread at a time.
class CountingStore final : public blob::BlobStore {
 public:
  CountingStore(blob::BlobStore* store, std::function<void(int64_t)> on_read)
      : store_(store), on_read_(std::move(on_read)) {}

  absl::StatusOr<std::vector<blob::Digest>> FindMissing(
      absl::Span<const blob::Digest> digests) override {
    return store_->FindMissing(digests);
  }
  absl::Status Upload(std::vector<blob::BlobUpload> uploads) override {
    return store_->Upload(std::move(uploads));
  }
  absl::StatusOr<std::vector<std::string>> Read(absl::Span<const blob::Digest> digests) override {
    auto blobs = store_->Read(digests);
    int64_t bytes = 0;
    for (const blob::Digest& digest : digests) bytes += digest.size_bytes;
    if (blobs.ok()) Count(bytes);
    return blobs;
  }
  absl::Status ReadToFile(const blob::Digest& digest, int fd) override {
    absl::Status status = store_->ReadToFile(digest, fd);
    if (status.ok()) Count(digest.size_bytes);
    return status;
  }

 private:
  void Count(int64_t bytes) {
    absl::MutexLock lock(&mutex_);
    bytes_ += bytes;
    on_read_(bytes_);
  }

  blob::BlobStore* const store_;
  const std::function<void(int64_t)> on_read_;
  absl::Mutex mutex_;
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FETCH_COUNTING_STORE_H_
