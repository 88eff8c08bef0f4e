#include "common/pipeline/go_template/go_quote.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/unicode.h"
#include "common/pipeline/utf8.h"

namespace rally::go_template {
namespace {

constexpr char32_t kByteOrderMark = 0xFEFF;

std::string Escaped(char32_t code) {
  switch (code) {
    case '\a':
      return "\\a";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\v':
      return "\\v";
    default:
      break;
  }
  const auto number = static_cast<uint32_t>(code);
  if (number < 0x80) return absl::StrCat("\\x", absl::Hex(number, absl::kZeroPad2));
  if (number < 0x10000) return absl::StrCat("\\u", absl::Hex(number, absl::kZeroPad4));
  return absl::StrCat("\\U", absl::Hex(number, absl::kZeroPad8));
}

// Needs no escape between double quotes.
bool IsPlain(char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; }

void AppendCharacter(char32_t code, char quote, QuoteCharacters characters, BoundedText* out) {
  if (code == static_cast<char32_t>(quote) || code == '\\') out->Append('\\');
  const bool shown =
      IsPrintable(code) && (characters == QuoteCharacters::kPrintable || code < 0x80);
  if (!shown) {
    out->Append(Escaped(code));
    return;
  }
  std::string bytes;
  AppendUtf8(code, &bytes);
  out->Append(bytes);
}

}  // namespace

void AppendQuoted(absl::string_view text, QuoteCharacters characters, BoundedText* out) {
  out->Append('"');
  while (!text.empty() && !out->failed()) {
    const auto plain_end = std::find_if_not(text.begin(), text.end(), IsPlain);
    const auto plain_size = static_cast<size_t>(plain_end - text.begin());
    out->Append(text.substr(0, plain_size));
    text.remove_prefix(plain_size);
    if (text.empty()) break;
    const Utf8Character character = FirstCharacter(text);
    if (character.valid) {
      AppendCharacter(character.code, '"', characters, out);
    } else {
      const auto byte = static_cast<unsigned char>(text[0]);
      out->Append(absl::StrCat("\\x", absl::Hex(byte, absl::kZeroPad2)));
    }
    text.remove_prefix(character.size);
  }
  out->Append('"');
}

void AppendQuotedCharacter(char32_t code, QuoteCharacters characters, BoundedText* out) {
  if (code > kMaxCharacter || (code >= 0xD800 && code <= 0xDFFF)) code = kReplacementCharacter;
  out->Append('\'');
  AppendCharacter(code, '\'', characters, out);
  out->Append('\'');
}

bool CanBackquote(absl::string_view text) {
  while (!text.empty()) {
    const Utf8Character character = FirstCharacter(text);
    if (!character.valid || character.code == kByteOrderMark || character.code == '`') return false;
    if ((character.code < 0x20 && character.code != '\t') || character.code == 0x7F) return false;
    text.remove_prefix(character.size);
  }
  return true;
}

}  // namespace rally::go_template
