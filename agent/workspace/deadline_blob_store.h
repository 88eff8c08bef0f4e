#ifndef RALLY_AGENT_WORKSPACE_DEADLINE_BLOB_STORE_H_
#define RALLY_AGENT_WORKSPACE_DEADLINE_BLOB_STORE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/blob/blob_store.h"

namespace rally::workspace {

// A blob store whose calls fail with DeadlineExceeded once a time has passed. A call under way
// isn't interrupted: the store below bounds it.
// Ownership: the store below must outlive it. Threads: thread-safe.
class DeadlineBlobStore : public blob::BlobStore {
 public:
  DeadlineBlobStore(blob::BlobStore* store, absl::Time deadline)
      : store_(store), deadline_(deadline) {}

  absl::StatusOr<std::vector<blob::Digest>> FindMissing(
      absl::Span<const blob::Digest> digests) override {
    if (Passed()) return Exceeded();
    return store_->FindMissing(digests);
  }
  absl::Status Upload(std::vector<blob::BlobUpload> uploads) override {
    if (Passed()) return Exceeded();
    return store_->Upload(std::move(uploads));
  }
  absl::StatusOr<std::vector<std::string>> Read(absl::Span<const blob::Digest> digests) override {
    if (Passed()) return Exceeded();
    return store_->Read(digests);
  }
  absl::Status ReadToFile(const blob::Digest& digest, int fd) override {
    if (Passed()) return Exceeded();
    return store_->ReadToFile(digest, fd);
  }

 private:
  bool Passed() const { return absl::Now() >= deadline_; }
  static absl::Status Exceeded() {
    return absl::DeadlineExceededError("the time for transferring the workspace is over");
  }

  blob::BlobStore* const store_;
  const absl::Time deadline_;
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_DEADLINE_BLOB_STORE_H_
