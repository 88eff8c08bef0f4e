#ifndef RALLY_COMMON_LOG_RECORD_FORMAT_H_
#define RALLY_COMMON_LOG_RECORD_FORMAT_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "common/log/record.h"

namespace rally::log {

// How a record file lies on the disk: kFileMagic, then entries, each a header of kHeaderSize bytes
// and `length` bytes of log. All numbers are little-endian.
//
//   crc32c u32 | length u32 | offset i64 | time i64 (microseconds, Unix) | source_end i64 |
//   kind u8 | stream u8 | 0 u16
//
// The CRC covers everything of the entry that follows it.
inline constexpr absl::string_view kFileMagic("RALLYLOG1\n\0\0\0\0\0\0", 16);
inline constexpr size_t kHeaderSize = 36;

enum class EntryKind : uint8_t {
  kBytes = 1,     // Log bytes of one stream.
  kComplete = 2,  // Nothing follows. No bytes, no stream.
};

struct EntryHeader {
  uint32_t crc = 0;
  uint32_t length = 0;
  int64_t offset = 0;
  int64_t time_micros = 0;
  int64_t source_end = 0;
  EntryKind kind = EntryKind::kBytes;
  uint8_t stream = 0;
};

using EncodedHeader = std::array<char, kHeaderSize>;

// Encodes `header`, with the CRC of it and `bytes` in place of header.crc.
EncodedHeader EncodeHeader(const EntryHeader& header, absl::string_view bytes);

// Decodes the first kHeaderSize bytes of `encoded`; nothing when they can't be a header. The CRC is
// not checked, since the bytes may not be there.
absl::optional<EntryHeader> DecodeHeader(absl::string_view encoded);

// Whether the CRC in `encoded_header` is that of the header and `bytes`.
bool CrcMatches(absl::string_view encoded_header, absl::string_view bytes);

}  // namespace rally::log

#endif  // RALLY_COMMON_LOG_RECORD_FORMAT_H_
