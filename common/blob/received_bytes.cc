#include "common/blob/received_bytes.h"

#include <algorithm>

#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/support/proto_buffer_reader.h"

namespace rally::blob {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;
using google::protobuf::io::StringOutputStream;

uint32_t TagOf(int number) {
  return WireFormatLite::MakeTag(number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

// Where the content of a field lies.
bool FindBytes(CodedInputStream* in, std::vector<absl::string_view>* pieces) {
  uint32_t left;
  if (!in->ReadVarint32(&left)) return false;
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

bool TakeOutBytes(CodedInputStream* in, int number, CodedOutputStream* rest,
                  std::vector<absl::string_view>* pieces) {
  const size_t begin = pieces->size();
  while (const uint32_t tag = in->ReadTag()) {
    if (tag == TagOf(number)) {
      pieces->resize(begin);
      if (!FindBytes(in, pieces)) return false;
    } else if (!WireFormatLite::SkipField(in, tag, rest)) {
      return false;
    }
  }
  return in->ConsumedEntireMessage();
}

bool ReceivedBatch::TakeOutAll(int blobs, int data, std::string* rest) {
  grpc::ProtoBufferReader reader(&message_);
  if (!reader.status().ok()) return false;
  CodedInputStream in(&reader);
  StringOutputStream rest_stream(rest);
  CodedOutputStream out(&rest_stream);
  std::string blob;
  while (const uint32_t tag = in.ReadTag()) {
    if (tag != TagOf(blobs)) {
      if (!WireFormatLite::SkipField(&in, tag, &out)) return false;
      continue;
    }
    uint32_t bytes;
    if (!in.ReadVarint32(&bytes)) return false;
    const CodedInputStream::Limit outer = in.PushLimit(static_cast<int>(bytes));
    blob.clear();
    {
      StringOutputStream blob_stream(&blob);
      CodedOutputStream blob_out(&blob_stream);
      if (!TakeOutBytes(&in, data, &blob_out, &pieces_)) return false;
    }
    // Not so when the whole message ends earlier.
    if (in.BytesUntilLimit() != 0) return false;
    in.PopLimit(outer);
    ends_.push_back(static_cast<uint32_t>(pieces_.size()));
    out.WriteTag(tag);
    out.WriteVarint32(static_cast<uint32_t>(blob.size()));
    out.WriteString(blob);
  }
  return in.ConsumedEntireMessage();
}

absl::Status ReceivedBatch::Parse(grpc::ByteBuffer* message, int blobs, int data,
                                  google::protobuf::MessageLite* parsed) {
  message_.Swap(message);
  std::string rest;
  if (TakeOutAll(blobs, data, &rest) && parsed->ParseFromString(rest)) return absl::OkStatus();
  return absl::InvalidArgumentError("a message with blobs can't be read: it is malformed");
}

Pieces ReceivedBatch::Data(int blob) const {
  const size_t begin = blob == 0 ? 0 : ends_[blob - 1];
  return Pieces(pieces_).subspan(begin, ends_[blob] - begin);
}

}  // namespace rally::blob
