#ifndef RALLY_COMMON_LOG_CRC32C_H_
#define RALLY_COMMON_LOG_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace rally::log {

// The CRC-32C (Castagnoli) of `bytes`, or of what `previous` covers followed by `bytes`. Uses the
// processor's instruction where there is one. Thread-safe.
uint32_t Crc32c(absl::string_view bytes, uint32_t previous = 0);

namespace internal {
// The same by tables, on any processor. Public for the test that compares both.
uint32_t Crc32cByTables(absl::string_view bytes, uint32_t previous);
}  // namespace internal

}  // namespace rally::log

#endif  // RALLY_COMMON_LOG_CRC32C_H_
