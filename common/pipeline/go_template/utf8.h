#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_UTF8_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_UTF8_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace rally::go_template {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;
inline constexpr char32_t kMaxCharacter = 0x10FFFF;

struct Utf8Character {
  char32_t code = 0;
  size_t size = 0;  // In bytes.
  bool valid = true;
};

// The first character of `text`, which isn't empty. A byte that begins none is the replacement
// character with size 1, not valid.
Utf8Character FirstCharacter(absl::string_view text);

// What is neither a character nor encodable becomes the replacement character.
void AppendUtf8(char32_t code, std::string* text);

bool IsValidUtf8(absl::string_view text);

// Bytes that belong to no character count as one each.
size_t CountCharacters(absl::string_view text);

// The first `count` characters.
absl::string_view FirstCharacters(absl::string_view text, size_t count);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_UTF8_H_
