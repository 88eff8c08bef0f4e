#ifndef RALLY_CONTROLLER_BLOB_INCOMING_BLOB_H_
#define RALLY_CONTROLLER_BLOB_INCOMING_BLOB_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "controller/blob/disk_store.h"
#include "controller/blob/zstd_codec.h"
#include "controller/worker_pool.h"

namespace rally::cas {

enum class Compression { kIdentity, kZstd };

// One blob on its way into a DiskStore, as it travels: plain or compressed. Nothing of it is to be
// seen before Commit, and nothing stays without it.
// Ownership: the store must outlive it. Threads: one at a time. Blocking: every method, on the
// disk. Errors: as DiskStore's writer and ZstdDecoder.
class IncomingBlob {
 public:
  static absl::StatusOr<std::unique_ptr<IncomingBlob>> Begin(DiskStore* store,
                                                             const blob::Digest& digest,
                                                             Compression compression);

  absl::Status Append(absl::string_view bytes);
  // The same for a whole frame; if it's a large one two of the threads share the work.
  absl::Status Append(absl::Span<const absl::string_view> pieces, controller::WorkerPool* threads);
  absl::Status Commit();

  // Of what Append got, compressed or not.
  int64_t received_bytes() const { return received_bytes_; }
  Compression compression() const {
    return decoder_ == nullptr ? Compression::kIdentity : Compression::kZstd;
  }

 private:
  explicit IncomingBlob(std::unique_ptr<DiskStore::Writer> writer) : writer_(std::move(writer)) {}

  const std::unique_ptr<DiskStore::Writer> writer_;
  std::unique_ptr<ZstdDecoder> decoder_;  // Null for plain bytes.
  int64_t received_bytes_ = 0;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_INCOMING_BLOB_H_
