#include "common/pipeline/quote.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "common/pipeline/utf8.h"

namespace rally::pipeline {
namespace {
constexpr size_t kMaxQuotedBytes = 100;
}  // namespace

std::string Quote(absl::string_view text) {
  const absl::string_view shown = CutAtCharacter(text, kMaxQuotedBytes);
  std::string quoted = "\"";
  for (const char c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
      quoted.push_back(c);
    } else if (c == '\n') {
      quoted.append("\\n");
    } else if (c == '\t') {
      quoted.append("\\t");
    } else if (c == '\r') {
      quoted.append("\\r");
    } else if (byte < 0x20 || byte == 0x7F) {
      absl::StrAppend(&quoted, "\\x", absl::Hex(byte, absl::kZeroPad2));
    } else {
      quoted.push_back(c);
    }
  }
  quoted.append(shown.size() < text.size() ? "...\"" : "\"");
  return quoted;
}

}  // namespace rally::pipeline
