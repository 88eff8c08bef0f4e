#ifndef RALLY_COMMON_BLOB_PIECES_H_
#define RALLY_COMMON_BLOB_PIECES_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rally::blob {

// Bytes that lie in several places, in their order.
using Pieces = absl::Span<const absl::string_view>;

inline int64_t SizeOf(Pieces pieces) {
  int64_t bytes = 0;
  for (const absl::string_view piece : pieces) bytes += static_cast<int64_t>(piece.size());
  return bytes;
}

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_PIECES_H_
