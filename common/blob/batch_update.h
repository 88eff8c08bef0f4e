#ifndef RALLY_COMMON_BLOB_BATCH_UPDATE_H_
#define RALLY_COMMON_BLOB_BATCH_UPDATE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/blob/batch_message.h"
#include "common/blob/digest.h"
#include "grpcpp/support/byte_buffer.h"

namespace rally::blob {

// A BatchUpdateBlobsRequest on its way out. Each blob is read straight into the bytes that gRPC
// sends, and they stay for another attempt.
// Ownership: shares its memory with what Message gave. Threads: not thread-safe. Blocking: never.
class BatchUpdate {
 public:
  struct Part {
    Digest digest;
    absl::string_view bytes;
  };

  explicit BatchUpdate(std::string instance);

  // Where the bytes of one more blob go, as many as its digest says; not after Message.
  char* Add(const Digest& digest);

  const std::vector<Part>& parts() const { return parts_; }

  const grpc::ByteBuffer& Message();

  // Leaves only those parts, by their numbers.
  void Keep(const std::vector<size_t>& numbers);

 private:
  std::string instance_;
  BatchMessage unfinished_;
  grpc::ByteBuffer message_;
  std::vector<Part> parts_;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_BATCH_UPDATE_H_
