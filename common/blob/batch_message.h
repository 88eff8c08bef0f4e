#ifndef RALLY_COMMON_BLOB_BATCH_MESSAGE_H_
#define RALLY_COMMON_BLOB_BATCH_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "grpcpp/support/byte_buffer.h"

namespace rally::blob {

// A protobuf message with many blobs in it on its way to gRPC, written by hand, so that a blob's
// bytes go from its file to the socket without being copied from message to buffer, and buffers
// aren't cleared before they are filled. It knows fields, not what they mean.
// Ownership: its memory, which the result of Take shares. Threads: not thread-safe. Blocking:
// never.
class BatchMessage {
 public:
  BatchMessage() = default;
  BatchMessage(const BatchMessage&) = delete;
  BatchMessage& operator=(const BatchMessage&) = delete;

  // What a field of variable length takes, its tag included.
  static size_t SizeOfField(int number, size_t bytes);
  static size_t SizeOfVarintField(int number, uint64_t value);

  // The start of a field whose content of so many bytes is appended next.
  void BeginField(int number, size_t bytes);
  void AppendField(int number, absl::string_view bytes);
  void AppendVarintField(int number, uint64_t value);
  // The next so many bytes, which the caller fills.
  char* Extend(size_t bytes);

  // Where the message ends now, and its return to there.
  struct Mark {
    size_t chunks = 0;
    size_t used_bytes = 0;  // Of the last one.
  };
  Mark End() const;
  void ReturnTo(const Mark& mark);

  grpc::ByteBuffer Take();

 private:
  struct Chunk {
    std::unique_ptr<char[]> bytes;
    size_t size;
    size_t used;
  };
  std::vector<Chunk> chunks_;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_BATCH_MESSAGE_H_
