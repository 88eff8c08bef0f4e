#ifndef RALLY_COMMON_BLOB_STREAM_FRAME_H_
#define RALLY_COMMON_BLOB_STREAM_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/blob/received_bytes.h"
#include "google/bytestream/bytestream.pb.h"
#include "grpcpp/support/byte_buffer.h"

namespace rally::blob {

// How many of a blob's bytes travel in one message of a ByteStream: whole pages of its file, and
// with what the message says beside them one chunk of BatchMessage.
constexpr size_t kStreamFrameBytes = 1024 * 1024 - 4096;

// A message of a ByteStream as it came, a WriteRequest or a ReadResponse (whose only field is the
// data), whose bytes stay where gRPC received them. Frames on their way out are BatchMessages.
// Ownership: shares the message's memory with gRPC. Threads: not thread-safe. Blocking: never.
class StreamFrame {
 public:
  StreamFrame() = default;
  StreamFrame(const StreamFrame&) = delete;
  StreamFrame& operator=(const StreamFrame&) = delete;

  // Takes the message, and leaves an empty one. InvalidArgument when it's neither of these.
  absl::Status Parse(grpc::ByteBuffer* message);

  const std::string& resource_name() const { return fields_.resource_name(); }
  int64_t write_offset() const { return fields_.write_offset(); }
  bool finish_write() const { return fields_.finish_write(); }
  // In order; valid until the next Parse.
  Pieces pieces() const { return pieces_; }
  int64_t data_bytes() const { return SizeOf(pieces_); }

 private:
  bool TakeOutData(std::string* rest);

  grpc::ByteBuffer message_;
  google::bytestream::WriteRequest fields_;  // All but the data.
  std::vector<absl::string_view> pieces_;
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_STREAM_FRAME_H_
