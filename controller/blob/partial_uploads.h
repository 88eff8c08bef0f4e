#ifndef RALLY_CONTROLLER_BLOB_PARTIAL_UPLOADS_H_
#define RALLY_CONTROLLER_BLOB_PARTIAL_UPLOADS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "controller/blob/incoming_blob.h"

namespace rally::cas {

// The uploads under way by resource name, and those whose connection broke off, which are kept for
// a while so that the client can go on where it stopped. Forgets all when the process ends.
//
// A stream calls Begin, then Progress after each frame, then one of End and Suspend. Streams are
// told apart by a number of their own, since a client may begin anew under the same name before its
// first connection is known to be dead: then the newer one counts.
// Ownership: owns what is suspended. Threads: thread-safe.
// Blocking: what drops a suspended upload closes its file.
class PartialUploads {
 public:
  struct Options {
    size_t max_suspended = 32;  // The one that waits longest goes first.
    absl::Duration keep_for = absl::Minutes(10);
    std::function<absl::Time()> now = absl::Now;
  };

  explicit PartialUploads(Options options) : options_(std::move(options)) {}

  // For a stream whose first bytes are at `offset`: what was received before, or null to begin
  // anew. InvalidArgument if the offset is neither 0 nor where the upload stopped; Aborted
  // while another stream is still at it.
  absl::StatusOr<std::unique_ptr<IncomingBlob>> Begin(const std::string& name, int64_t stream,
                                                      int64_t offset) ABSL_LOCKS_EXCLUDED(mutex_);
  void Progress(const std::string& name, int64_t stream, int64_t received_bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void End(const std::string& name, int64_t stream) ABSL_LOCKS_EXCLUDED(mutex_);
  void Suspend(const std::string& name, int64_t stream, std::unique_ptr<IncomingBlob> blob)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // 0 for a name that it doesn't know.
  int64_t ReceivedBytes(const std::string& name) ABSL_LOCKS_EXCLUDED(mutex_);

  // Drops what is suspended, for when the disk is full.
  void DropSuspended() ABSL_LOCKS_EXCLUDED(mutex_);

  size_t suspended() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Entry {
    int64_t stream = 0;
    int64_t received_bytes = 0;
    std::unique_ptr<IncomingBlob> blob;  // Null while a stream is at it.
    absl::Time since;                    // When it was suspended.
  };
  using Dropped = std::vector<std::unique_ptr<IncomingBlob>>;

  // Takes out what is too old or too much; the caller destroys it outside of the lock.
  Dropped Expire(size_t max_suspended) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_PARTIAL_UPLOADS_H_
