#ifndef RALLY_COMMON_BLOB_RECEIVED_BYTES_H_
#define RALLY_COMMON_BLOB_RECEIVED_BYTES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/blob/pieces.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/message_lite.h"
#include "grpcpp/support/byte_buffer.h"

// Blobs' bytes stay where gRPC received them, in pieces, and are hashed and written from there;
// protobuf copies the bytes of each blob to a string of its own. What else a message says it
// parses.
namespace rally::blob {

// Reads to the end of a message, or of one within another. The content of its field `number`, which
// is of bytes, is appended to `pieces` as it lies there; of several the last one's, as protobuf has
// it. All other fields go to `rest` as they are. False if it's malformed.
bool TakeOutBytes(google::protobuf::io::CodedInputStream* in, int number,
                  google::protobuf::io::CodedOutputStream* rest,
                  std::vector<absl::string_view>* pieces);

// A message with many blobs in it as it came: a BatchUpdateBlobsRequest or a
// BatchReadBlobsResponse. Ownership: shares the message's memory with gRPC. Threads: not
// thread-safe. Blocking: never.
class ReceivedBatch {
 public:
  ReceivedBatch() = default;
  ReceivedBatch(const ReceivedBatch&) = delete;
  ReceivedBatch& operator=(const ReceivedBatch&) = delete;

  // Takes the message, and leaves an empty one. `blobs` is the number of the repeated field with
  // one message for each blob, `data` that of the blob's bytes within it. `parsed` gets the whole
  // message, but for these bytes. InvalidArgument when it's malformed. Once.
  absl::Status Parse(grpc::ByteBuffer* message, int blobs, int data,
                     google::protobuf::MessageLite* parsed);

  // The bytes of a blob, counted as those in `parsed`; valid as long as this lives.
  Pieces Data(int blob) const;

 private:
  bool TakeOutAll(int blobs, int data, std::string* rest);

  grpc::ByteBuffer message_;
  std::vector<absl::string_view> pieces_;  // Of all blobs,
  std::vector<uint32_t> ends_;             // and where in it each one's end.
};

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_RECEIVED_BYTES_H_
