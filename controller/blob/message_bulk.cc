#include "controller/blob/message_bulk.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/support/proto_buffer_reader.h"

namespace rally::cas {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr int64_t kAlwaysAllowed = 1000;
constexpr int64_t kBytesPerMessage = 6;
// As protobuf's own.
constexpr int kMaxDepth = 100;

// Counts what becomes an object of its own: messages, and strings that are repeated or of fields
// that this API file doesn't know.
class BulkCount {
 public:
  BulkCount(CodedInputStream* in, int64_t bytes)
      : in_(in), left_(kAlwaysAllowed + bytes / kBytesPerMessage) {}

  // To the end of a message, or of one within another. False when it's malformed or has too much.
  bool Read(const Descriptor& type, int depth) {
    while (const uint32_t tag = in_->ReadTag()) {
      const int number = WireFormatLite::GetTagFieldNumber(tag);
      switch (WireFormatLite::GetTagWireType(tag)) {
        case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
          if (!ReadDelimited(type.FindFieldByNumber(number), depth)) return false;
          break;
        case WireFormatLite::WIRETYPE_START_GROUP:
        case WireFormatLite::WIRETYPE_END_GROUP:
          return false;  // The API has none.
        default:
          if (!WireFormatLite::SkipField(in_, tag)) return false;
      }
    }
    return in_->ConsumedEntireMessage();
  }

  bool too_much() const { return left_ < 0; }

 private:
  bool ReadDelimited(const FieldDescriptor* field, int depth) {
    uint32_t size;
    if (!in_->ReadVarint32(&size) || size > INT32_MAX) return false;
    const bool is_message = field != nullptr && field->type() == FieldDescriptor::TYPE_MESSAGE;
    if (is_message || field == nullptr || field->is_repeated()) --left_;
    if (too_much()) return false;
    if (!is_message) return in_->Skip(static_cast<int>(size));
    if (depth == kMaxDepth) return false;
    const CodedInputStream::Limit limit = in_->PushLimit(static_cast<int>(size));
    const bool read = Read(*field->message_type(), depth + 1);
    in_->PopLimit(limit);
    return read;
  }

  CodedInputStream* const in_;
  int64_t left_;
};

absl::Status Check(google::protobuf::io::ZeroCopyInputStream* bytes, int64_t size,
                   const Descriptor& type) {
  CodedInputStream in(bytes);
  BulkCount count(&in, size);
  if (count.Read(type, 0)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      count.too_much() ? absl::StrCat("this ", type.name(), " message of ", size,
                                      " bytes has too many messages within it; most are empty")
                       : absl::StrCat("this is no ", type.name(), " message"));
}

}  // namespace

absl::Status ParseWithinBulk(absl::string_view bytes, google::protobuf::Message* message) {
  const int size = static_cast<int>(bytes.size());
  google::protobuf::io::ArrayInputStream in(bytes.data(), size);
  absl::Status status = Check(&in, size, *message->GetDescriptor());
  if (!status.ok()) return status;
  if (message->ParseFromArray(bytes.data(), size)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("this is no ", message->GetDescriptor()->name(), " message"));
}

absl::Status ParseWithinBulk(const grpc::ByteBuffer& bytes, google::protobuf::Message* message) {
  absl::Status status = CheckBulk(bytes, *message);
  if (!status.ok()) return status;
  grpc::ByteBuffer shared = bytes;
  grpc::ProtoBufferReader reader(&shared);
  if (message->ParseFromZeroCopyStream(&reader)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("this is no ", message->GetDescriptor()->name(), " message"));
}

absl::Status CheckBulk(const grpc::ByteBuffer& bytes, const google::protobuf::Message& type) {
  grpc::ByteBuffer shared = bytes;
  grpc::ProtoBufferReader reader(&shared);
  return Check(&reader, static_cast<int64_t>(shared.Length()), *type.GetDescriptor());
}

}  // namespace rally::cas
