// Any bytes as a duration; what is read is written and read again as the same.
#include <cstdint>

#include "absl/strings/string_view.h"
#include "common/pipeline/duration.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto duration = rally::pipeline::ParseGoDuration(text);
  if (!duration.ok()) {
    REQUIRE(!duration.status().message().empty());
    return 0;
  }
  const auto again = rally::pipeline::ParseGoDuration(rally::pipeline::FormatGoDuration(*duration));
  REQUIRE(again.ok());
  REQUIRE(*again == *duration);
  return 0;
}
