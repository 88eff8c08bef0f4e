#ifndef RALLY_CONTROLLER_BLOB_BYTE_STREAM_PARTS_H_
#define RALLY_CONTROLLER_BLOB_BYTE_STREAM_PARTS_H_

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/blob/directory.h"
#include "controller/blob/disk_store.h"
#include "controller/blob/idle_watch.h"
#include "controller/blob/incoming_blob.h"
#include "controller/blob/partial_uploads.h"
#include "controller/blob/resource_name.h"
#include "controller/blob/stream_count.h"
#include "controller/worker_pool.h"

namespace rally::cas {

struct ByteStreamLimits {
  // Larger ones are refused before a byte is stored.
  int64_t max_blob_bytes = blob::kMaxFileBytes;
  int max_streams = 500;
  // Of these; each may need 8 MiB.
  int max_compressed_streams = 64;
  IdleLimits idle;
  PartialUploads::Options partial_uploads;
};

// What all streams of one service share.
// Ownership: store and threads must outlive it. Threads: thread-safe.
struct ByteStreamParts {
  ByteStreamParts(DiskStore* disk_store, controller::WorkerPool* disk_threads,
                  const ByteStreamLimits& with_limits)
      : store(disk_store),
        threads(disk_threads),
        limits(with_limits),
        streams(with_limits.max_streams),
        compressed_streams(with_limits.max_compressed_streams),
        idle_watch(with_limits.idle, {&streams, &compressed_streams}),
        partial_uploads(with_limits.partial_uploads) {}

  DiskStore* const store;
  controller::WorkerPool* const threads;
  const ByteStreamLimits limits;
  StreamCount streams;
  StreamCount compressed_streams;
  IdleWatch idle_watch;
  PartialUploads partial_uploads;
  std::atomic<int64_t> next_stream{1};
};

inline absl::Status TooManyStreams() {
  return absl::UnavailableError("the blob service has too much to do; try again");
}

// InvalidArgument for compressors other than zstd.
inline absl::StatusOr<Compression> CompressionOf(const ResourceName& name) {
  if (name.compressor.empty()) return Compression::kIdentity;
  if (name.compressor == "zstd") return Compression::kZstd;
  return absl::InvalidArgumentError(
      absl::StrCat("compressor '", name.compressor, "' is not supported; use zstd or none"));
}

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_BYTE_STREAM_PARTS_H_
