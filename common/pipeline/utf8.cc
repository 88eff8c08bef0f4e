#include "common/pipeline/utf8.h"

namespace rally {
namespace {

constexpr bool IsSurrogate(char32_t code) { return code >= 0xD800 && code <= 0xDFFF; }

}  // namespace

Utf8Character FirstCharacter(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  constexpr Utf8Character kInvalid = {kReplacementCharacter, 1, false};
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  size_t size = 0;
  char32_t code = 0;
  char32_t least = 0;  // Below it a shorter form exists, and only that is allowed.
  if ((lead & 0xE0) == 0xC0) {
    size = 2, code = lead & 0x1F, least = 0x80;
  } else if ((lead & 0xF0) == 0xE0) {
    size = 3, code = lead & 0x0F, least = 0x800;
  } else if ((lead & 0xF8) == 0xF0) {
    size = 4, code = lead & 0x07, least = 0x10000;
  } else {
    return kInvalid;
  }
  if (text.size() < size) return kInvalid;
  for (size_t i = 1; i < size; ++i) {
    if (!IsUtf8Continuation(text[i])) return kInvalid;
    code = code << 6 | (byte(i) & 0x3F);
  }
  if (code < least || code > kMaxCharacter || IsSurrogate(code)) return kInvalid;
  return {code, size, true};
}

void AppendUtf8(char32_t code, std::string* text) {
  if (code > kMaxCharacter || IsSurrogate(code)) code = kReplacementCharacter;
  const auto tail = [code](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) {
    *text += static_cast<char>(code);
  } else if (code < 0x800) {
    *text += {static_cast<char>(0xC0 | code >> 6), tail(0)};
  } else if (code < 0x10000) {
    *text += {static_cast<char>(0xE0 | code >> 12), tail(6), tail(0)};
  } else {
    *text += {static_cast<char>(0xF0 | code >> 18), tail(12), tail(6), tail(0)};
  }
}

bool IsValidUtf8(absl::string_view text) {
  // Most text is ASCII.
  unsigned char any = 0;
  for (const char c : text) any |= static_cast<unsigned char>(c);
  if (any < 0x80) return true;
  while (!text.empty()) {
    const Utf8Character character = FirstCharacter(text);
    if (!character.valid) return false;
    text.remove_prefix(character.size);
  }
  return true;
}

size_t CountCharacters(absl::string_view text) {
  size_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(FirstCharacter(text).size);
  return count;
}

absl::string_view FirstCharacters(absl::string_view text, size_t count) {
  size_t end = 0;
  for (; count > 0 && end < text.size(); --count) end += FirstCharacter(text.substr(end)).size;
  return text.substr(0, end);
}

absl::string_view CutAtCharacter(absl::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && IsUtf8Continuation(text[bytes])) --bytes;
  return text.substr(0, bytes);
}

}  // namespace rally
