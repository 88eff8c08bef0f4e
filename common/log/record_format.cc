#include "common/log/record_format.h"

#include "common/log/crc32c.h"

namespace rally::log {
namespace {

constexpr size_t kCrcSize = 4;

template <typename T>
void Put(char* at, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    at[i] = static_cast<char>(static_cast<uint64_t>(value) >> (8 * i));
  }
}

template <typename T>
T Get(const char* at) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<uint64_t>(static_cast<unsigned char>(at[i])) << (8 * i);
  }
  return static_cast<T>(value);
}

uint32_t CrcOf(absl::string_view encoded_header, absl::string_view bytes) {
  return Crc32c(bytes, Crc32c(encoded_header.substr(kCrcSize, kHeaderSize - kCrcSize)));
}

}  // namespace

EncodedHeader EncodeHeader(const EntryHeader& header, absl::string_view bytes) {
  EncodedHeader encoded{};
  char* at = encoded.data();
  Put<uint32_t>(at + 4, header.length);
  Put<int64_t>(at + 8, header.offset);
  Put<int64_t>(at + 16, header.time_micros);
  Put<int64_t>(at + 24, header.source_end);
  Put<uint8_t>(at + 32, static_cast<uint8_t>(header.kind));
  Put<uint8_t>(at + 33, header.stream);
  Put<uint32_t>(at, CrcOf(absl::string_view(at, kHeaderSize), bytes));
  return encoded;
}

absl::optional<EntryHeader> DecodeHeader(absl::string_view encoded) {
  if (encoded.size() < kHeaderSize) return absl::nullopt;
  const char* at = encoded.data();
  EntryHeader header;
  header.crc = Get<uint32_t>(at);
  header.length = Get<uint32_t>(at + 4);
  header.offset = Get<int64_t>(at + 8);
  header.time_micros = Get<int64_t>(at + 16);
  header.source_end = Get<int64_t>(at + 24);
  header.kind = static_cast<EntryKind>(Get<uint8_t>(at + 32));
  header.stream = Get<uint8_t>(at + 33);
  if (header.offset < 0 || header.source_end < 0 || Get<uint16_t>(at + 34) != 0) {
    return absl::nullopt;
  }
  switch (header.kind) {
    case EntryKind::kBytes:
      if (header.length == 0 || header.length > kMaxRecordBytes) return absl::nullopt;
      if (header.stream < 1 || header.stream > kStreams) return absl::nullopt;
      return header;
    case EntryKind::kComplete:
      if (header.length != 0 || header.stream != 0) return absl::nullopt;
      return header;
  }
  return absl::nullopt;
}

bool CrcMatches(absl::string_view encoded_header, absl::string_view bytes) {
  const absl::optional<EntryHeader> header = DecodeHeader(encoded_header);
  return header.has_value() && header->crc == CrcOf(encoded_header, bytes);
}

}  // namespace rally::log
