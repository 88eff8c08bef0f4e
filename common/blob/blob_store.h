#ifndef RALLY_COMMON_BLOB_BLOB_STORE_H_
#define RALLY_COMMON_BLOB_BLOB_STORE_H_

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/blob/digest.h"
#include "common/blob/keep_going.h"
#include "common/blob/pieces.h"

namespace rally::blob {

// One blob to store: its name, and either its bytes or a way to open a file that holds them, at
// its start. Over the network as much of a file is sent as the digest says: it may have grown. The
// file descriptor belongs to the store from then on. A retry opens again.
struct BlobUpload {
  Digest digest;
  std::variant<std::string, std::function<absl::StatusOr<int>()>> source;
  // Asked while a file is read: may end the upload at any piece.
  KeepGoing keep_going = nullptr;
};

// A content-addressed store as its client sees it. It does not know trees, and promises nothing
// about how long a blob stays. The empty blob is always there.
//
// Threads: thread-safe. Blocking: every method, on disk or network; implementations that use the
//   network bound each call by a deadline.
// Errors: NotFound (the message has the digest), InvalidArgument (a malformed digest, bytes that
//   are not what their digest says, or more of them than the store can ever have), DataLoss (the
//   store handed out wrong bytes), ResourceExhausted (the store is full), Unavailable and
//   DeadlineExceeded (try again later).
class BlobStore {
 public:
  virtual ~BlobStore();

  // Those of `digests` that the store lacks, each once, in their order.
  virtual absl::StatusOr<std::vector<Digest>> FindMissing(absl::Span<const Digest> digests) = 0;

  // Stores all, or fails with the first error; what was stored before it stays. Blobs that are
  // there already cost a transfer, so ask FindMissing first. Memory is bounded by the batch limit
  // for sources that are files, whatever their size.
  virtual absl::Status Upload(std::vector<BlobUpload> uploads) = 0;

  // The blobs' bytes in the order of `digests`, verified. All of them are in memory at once: meant
  // for directories and other small blobs.
  virtual absl::StatusOr<std::vector<std::string>> Read(absl::Span<const Digest> digests) = 0;

  // The same of different blobs without holding them all: hands the bytes of `digests[i]` to
  // `take(i, bytes)`, each once, one after another and in any order. They are valid until it
  // returns. After an error some may have been handed out.
  using Take = std::function<void(size_t, Pieces)>;
  virtual absl::Status ReadEach(absl::Span<const Digest> digests, const Take& take);

  // Writes the blob to `fd`, which stays the caller's, from its current offset on. After an error
  // any part of it may have been written; on success all bytes were verified.
  virtual absl::Status ReadToFile(const Digest& digest, int fd) = 0;

 protected:
  BlobStore() = default;
  BlobStore(const BlobStore&) = delete;
  BlobStore& operator=(const BlobStore&) = delete;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_BLOB_STORE_H_
