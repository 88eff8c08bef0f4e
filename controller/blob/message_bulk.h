#ifndef RALLY_CONTROLLER_BLOB_MESSAGE_BULK_H_
#define RALLY_CONTROLLER_BLOB_MESSAGE_BULK_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "grpcpp/support/byte_buffer.h"

namespace rally::cas {

// Parses what a client made up. An empty message within another has two bytes on its way and up to
// 400 when it's parsed, with what is answered for it: 16 MiB of such would take gigabytes. So a
// message may have one within it for each 6 of its bytes, and a thousand besides; what says
// something has more bytes than that.
// Blocking: never. Errors: InvalidArgument, also when it's malformed.
absl::Status ParseWithinBulk(absl::string_view bytes, google::protobuf::Message* message);
absl::Status ParseWithinBulk(const grpc::ByteBuffer& bytes, google::protobuf::Message* message);

// The check alone, for what is parsed in another way: the bytes are meant to be a message as
// `type`.
absl::Status CheckBulk(const grpc::ByteBuffer& bytes, const google::protobuf::Message& type);

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_MESSAGE_BULK_H_
