#ifndef RALLY_RALLYCTL_TRANSFER_COUNTING_STORE_H_
#define RALLY_RALLYCTL_TRANSFER_COUNTING_STORE_H_

#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/blob/blob_store.h"
#include "common/file_descriptor.h"

namespace rally::rallyctl {

// A store that knows how many bytes went to or came from it so far, those of a large file that is
// under way included: people want to see that something moves.
//
// Ownership: the other store outlives it. Threads: as the other store. Blocking, errors: as the
// other store.
class CountingStore final : public blob::BlobStore {
 public:
  explicit CountingStore(blob::BlobStore* store) : store_(store) {}

  // May be a little ahead while a transfer is repeated, or a batch waits to be sent.
  int64_t transferred_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);

  absl::StatusOr<std::vector<blob::Digest>> FindMissing(
      absl::Span<const blob::Digest> digests) override {
    return store_->FindMissing(digests);
  }
  absl::Status Upload(std::vector<blob::BlobUpload> uploads) override;
  absl::StatusOr<std::vector<std::string>> Read(absl::Span<const blob::Digest> digests) override;
  absl::Status ReadToFile(const blob::Digest& digest, int fd) override;

 private:
  // A file that is read or written from front to back, by a descriptor that shares its offset with
  // the one that is used.
  struct UnderWay {
    FileDescriptor file;
    int64_t begin = 0;
  };
  using Files = std::list<UnderWay>;

  void Watch(int fd, Files* files) ABSL_LOCKS_EXCLUDED(mutex_);
  void Finish(int64_t bytes, Files* files) ABSL_LOCKS_EXCLUDED(mutex_);

  blob::BlobStore* const store_;
  mutable absl::Mutex mutex_;
  int64_t finished_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<Files*> under_way_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_TRANSFER_COUNTING_STORE_H_
