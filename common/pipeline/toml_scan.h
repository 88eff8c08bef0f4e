#ifndef RALLY_COMMON_PIPELINE_TOML_SCAN_H_
#define RALLY_COMMON_PIPELINE_TOML_SCAN_H_

#include <cstddef>
#include <optional>

#include "absl/strings/string_view.h"

namespace rally::pipeline {

// What can be told of a text by following its strings, comments and brackets alone, whether it is
// TOML or not. It decides nothing about the language; it says what the TOML library can't: where
// the text would make the library recurse without bound, and where a string begins that never ends.
struct TomlScan {
  // Brackets inside each other, and parts of one dotted key.
  static constexpr int kMaxNesting = 32;
  // Each value costs some 200 bytes while the document is read. Those of 20,000 steps are fewer.
  static constexpr int kMaxValues = 200'000;

  // The byte where nesting exceeds kMaxNesting, or where there are more than kMaxValues values;
  // what follows wasn't looked at.
  std::optional<size_t> too_deep;
  std::optional<size_t> too_many;
  // The opening quote of the first string that isn't closed: on its line, or, opened by three
  // quotes, at all.
  std::optional<size_t> unclosed_string;
};

// Linear in the text.
TomlScan ScanToml(absl::string_view text);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_TOML_SCAN_H_
