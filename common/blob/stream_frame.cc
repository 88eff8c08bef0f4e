#include "common/blob/stream_frame.h"

#include <algorithm>

#include "google/bytestream/bytestream.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/support/proto_buffer_reader.h"

namespace rally::blob {
namespace {

using google::bytestream::ReadResponse;
using google::bytestream::WriteRequest;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

static_assert(static_cast<int>(ReadResponse::kDataFieldNumber) ==
                  static_cast<int>(WriteRequest::kDataFieldNumber),
              "one parser reads both");

constexpr uint32_t TagOf(int number, WireFormatLite::WireType type) {
  return WireFormatLite::MakeTag(number, type);
}

bool ReadString(CodedInputStream* in, std::string* text) {
  uint32_t bytes;
  return in->ReadVarint32(&bytes) && in->ReadString(text, static_cast<int>(bytes));
}

bool ReadNumber(CodedInputStream* in, int64_t* number) {
  uint64_t value;
  if (!in->ReadVarint64(&value)) return false;
  *number = static_cast<int64_t>(value);
  return true;
}

// Where the content of a field lies, without copying it.
bool FindBytes(CodedInputStream* in, std::vector<absl::string_view>* pieces, int64_t* sum) {
  uint32_t left;
  if (!in->ReadVarint32(&left)) return false;
  *sum = left;
  pieces->clear();
  while (left > 0) {
    const void* data;
    int size;
    if (!in->GetDirectBufferPointer(&data, &size)) return false;
    const uint32_t taken = std::min(left, static_cast<uint32_t>(size));
    pieces->emplace_back(static_cast<const char*>(data), taken);
    if (!in->Skip(static_cast<int>(taken))) return false;
    left -= taken;
  }
  return true;
}

}  // namespace

absl::Status StreamFrame::Parse(grpc::ByteBuffer* message) {
  message_.Clear();
  message_.Swap(message);
  resource_name_.clear();
  write_offset_ = 0;
  finish_write_ = false;
  pieces_.clear();
  data_bytes_ = 0;
  if (ParseFields()) return absl::OkStatus();
  pieces_.clear();
  data_bytes_ = 0;
  return absl::InvalidArgumentError("a message of the stream can't be read: it is malformed");
}

bool StreamFrame::ParseFields() {
  grpc::ProtoBufferReader reader(&message_);
  if (!reader.status().ok()) return false;
  CodedInputStream in(&reader);
  while (true) {
    const uint32_t tag = in.ReadTag();
    bool read = false;
    switch (tag) {
      case 0:
        return in.ConsumedEntireMessage();
      case TagOf(WriteRequest::kResourceNameFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED):
        read = ReadString(&in, &resource_name_);
        break;
      case TagOf(WriteRequest::kWriteOffsetFieldNumber, WireFormatLite::WIRETYPE_VARINT):
        read = ReadNumber(&in, &write_offset_);
        break;
      case TagOf(WriteRequest::kFinishWriteFieldNumber, WireFormatLite::WIRETYPE_VARINT): {
        int64_t value = 0;
        read = ReadNumber(&in, &value);
        finish_write_ = value != 0;
        break;
      }
      case TagOf(WriteRequest::kDataFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED):
        read = FindBytes(&in, &pieces_, &data_bytes_);
        break;
      default:
        read = WireFormatLite::SkipField(&in, tag);
    }
    if (!read) return false;
  }
}

}  // namespace rally::blob
