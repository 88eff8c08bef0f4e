#ifndef RALLY_AGENT_WORKSPACE_DEADLINE_BLOB_STORE_H_
#define RALLY_AGENT_WORKSPACE_DEADLINE_BLOB_STORE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/runtime/call_limits.h"
#include "common/blob/blob_store.h"

namespace rally::workspace {

// A blob store whose calls fail with DeadlineExceeded once a time has passed, or with Cancelled. A
// call under way isn't interrupted when the time is over, for a large blob takes its time, and the
// store below bounds it; but when it's cancelled, an upload ends at its next piece.
// Ownership: the store below must outlive it. Threads: thread-safe.
class DeadlineBlobStore : public blob::BlobStore {
 public:
  DeadlineBlobStore(blob::BlobStore* store, const runtime::CallLimits& limits)
      : store_(store), limits_(limits) {}

  absl::StatusOr<std::vector<blob::Digest>> FindMissing(
      absl::Span<const blob::Digest> digests) override {
    if (absl::Status spent = Spent(); !spent.ok()) return spent;
    return store_->FindMissing(digests);
  }
  absl::Status Upload(std::vector<blob::BlobUpload> uploads) override {
    if (absl::Status spent = Spent(); !spent.ok()) return spent;
    if (limits_.cancellation != nullptr) {
      for (blob::BlobUpload& upload : uploads) {
        upload.keep_going = [cancellation = limits_.cancellation] {
          return runtime::CheckLimits({absl::InfiniteFuture(), cancellation}, kWhat);
        };
      }
    }
    return store_->Upload(std::move(uploads));
  }
  absl::StatusOr<std::vector<std::string>> Read(absl::Span<const blob::Digest> digests) override {
    if (absl::Status spent = Spent(); !spent.ok()) return spent;
    return store_->Read(digests);
  }
  absl::Status ReadEach(absl::Span<const blob::Digest> digests, const Take& take) override {
    if (absl::Status spent = Spent(); !spent.ok()) return spent;
    return store_->ReadEach(digests, take);
  }
  absl::Status ReadToFile(const blob::Digest& digest, int fd) override {
    if (absl::Status spent = Spent(); !spent.ok()) return spent;
    return store_->ReadToFile(digest, fd);
  }

 private:
  static constexpr absl::string_view kWhat = "transferring the workspace";

  absl::Status Spent() const { return runtime::CheckLimits(limits_, kWhat); }

  blob::BlobStore* const store_;
  const runtime::CallLimits limits_;
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_DEADLINE_BLOB_STORE_H_
