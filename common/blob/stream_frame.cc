#include "common/blob/stream_frame.h"

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "grpcpp/support/proto_buffer_reader.h"

namespace rally::blob {

using google::bytestream::ReadResponse;
using google::bytestream::WriteRequest;

static_assert(static_cast<int>(ReadResponse::kDataFieldNumber) ==
                  static_cast<int>(WriteRequest::kDataFieldNumber),
              "one parser reads both");

absl::Status StreamFrame::Parse(grpc::ByteBuffer* message) {
  message_.Clear();
  message_.Swap(message);
  pieces_.clear();
  std::string rest;
  if (TakeOutData(&rest) && fields_.ParseFromString(rest)) return absl::OkStatus();
  pieces_.clear();
  return absl::InvalidArgumentError("a message of the stream can't be read: it is malformed");
}

bool StreamFrame::TakeOutData(std::string* rest) {
  grpc::ProtoBufferReader reader(&message_);
  if (!reader.status().ok()) return false;
  google::protobuf::io::CodedInputStream in(&reader);
  google::protobuf::io::StringOutputStream rest_stream(rest);
  google::protobuf::io::CodedOutputStream out(&rest_stream);
  return TakeOutBytes(&in, WriteRequest::kDataFieldNumber, &out, &pieces_);
}

}  // namespace rally::blob
