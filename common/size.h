#ifndef RALLY_COMMON_SIZE_H_
#define RALLY_COMMON_SIZE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// Numbers of bytes as people write and read them. Pure.
namespace rally {

// "512MiB" and "4GiB" count by 1024, "200GB" by 1000, "1000" and "1000B" are bytes. InvalidArgument
// speaks to a person.
absl::StatusOr<int64_t> ParseSize(absl::string_view text);

// Exactly, as ParseSize reads it: "4GiB", "1536MiB", "1000".
std::string FormatSize(int64_t bytes);

// About so much: "4.0 GiB", "1.5 KiB", "12 B".
std::string SizeText(int64_t bytes);

}  // namespace rally

#endif  // RALLY_COMMON_SIZE_H_
