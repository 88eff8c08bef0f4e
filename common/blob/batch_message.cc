#include "common/blob/batch_message.h"

#include <algorithm>
#include <cstring>

#include "google/protobuf/io/coded_stream.h"
#include "grpcpp/support/slice.h"

namespace rally::blob {
namespace {

using google::protobuf::io::CodedOutputStream;

constexpr size_t kChunkBytes = 1024 * 1024;
constexpr int kTagTypeBits = 3;
constexpr uint32_t kVarint = 0;
constexpr uint32_t kLengthDelimited = 2;
// A tag and a number, each at most ten bytes.
constexpr size_t kLongestHeadBytes = 20;

uint32_t TagOf(int number, uint32_t type) {
  return static_cast<uint32_t>(number) << kTagTypeBits | type;
}

}  // namespace

size_t BatchMessage::SizeOfField(int number, size_t bytes) {
  return SizeOfVarintField(number, bytes) + bytes;
}

size_t BatchMessage::SizeOfVarintField(int number, uint64_t value) {
  return CodedOutputStream::VarintSize32(TagOf(number, kVarint)) +
         CodedOutputStream::VarintSize64(value);
}

char* BatchMessage::Extend(size_t bytes) {
  if (chunks_.empty() || chunks_.back().size - chunks_.back().used < bytes) {
    const size_t size = std::max(bytes, kChunkBytes);
    // Not make_unique, which would clear it.
    chunks_.push_back({std::unique_ptr<char[]>(new char[size]), size, 0});
  }
  Chunk& last = chunks_.back();
  last.used += bytes;
  return last.bytes.get() + last.used - bytes;
}

void BatchMessage::BeginField(int number, size_t bytes) {
  uint8_t head[kLongestHeadBytes];
  uint8_t* end = CodedOutputStream::WriteTagToArray(TagOf(number, kLengthDelimited), head);
  end = CodedOutputStream::WriteVarint64ToArray(bytes, end);
  const size_t size = static_cast<size_t>(end - head);
  memcpy(Extend(size), head, size);
}

void BatchMessage::AppendField(int number, absl::string_view bytes) {
  BeginField(number, bytes.size());
  if (!bytes.empty()) memcpy(Extend(bytes.size()), bytes.data(), bytes.size());
}

void BatchMessage::AppendVarintField(int number, uint64_t value) {
  uint8_t field[kLongestHeadBytes];
  uint8_t* end = CodedOutputStream::WriteTagToArray(TagOf(number, kVarint), field);
  end = CodedOutputStream::WriteVarint64ToArray(value, end);
  const size_t size = static_cast<size_t>(end - field);
  memcpy(Extend(size), field, size);
}

BatchMessage::Mark BatchMessage::End() const {
  return chunks_.empty() ? Mark() : Mark{chunks_.size(), chunks_.back().used};
}

void BatchMessage::ReturnTo(const Mark& mark) {
  chunks_.resize(mark.chunks);
  if (!chunks_.empty()) chunks_.back().used = mark.used_bytes;
}

grpc::ByteBuffer BatchMessage::Take() {
  std::vector<grpc::Slice> slices;
  slices.reserve(chunks_.size());
  for (Chunk& chunk : chunks_) {
    const size_t used = chunk.used;
    slices.emplace_back(chunk.bytes.release(), used,
                        [](void* bytes) { delete[] static_cast<char*>(bytes); });
  }
  chunks_.clear();
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace rally::blob
