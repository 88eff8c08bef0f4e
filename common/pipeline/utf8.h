#ifndef RALLY_COMMON_PIPELINE_UTF8_H_
#define RALLY_COMMON_PIPELINE_UTF8_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

// UTF-8 as RFC 3629 defines it: neither overlong forms nor surrogates. Pure.
namespace rally {

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

// What a string field of a message may hold.
bool IsValidUtf8(absl::string_view text);

// A byte that goes on with a character rather than beginning one.
constexpr bool IsUtf8Continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

// Bytes that belong to no character count as one each.
size_t CountCharacters(absl::string_view text);

// The first `count` characters.
absl::string_view FirstCharacters(absl::string_view text, size_t count);

// The characters that are whole within the first `bytes` bytes.
absl::string_view CutAtCharacter(absl::string_view text, size_t bytes);

}  // namespace rally

#endif  // RALLY_COMMON_PIPELINE_UTF8_H_
