#include "common/pipeline/go_template/constant.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/charconv.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/utf8.h"

namespace rally::go_template {
namespace {

int DigitValue(char c) {
  if (absl::ascii_isdigit(c)) return c - '0';
  const char lower = absl::ascii_tolower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
}

absl::Status BadNumber(absl::string_view literal) {
  return absl::InvalidArgumentError(absl::StrCat("\"", literal, "\" is not a number"));
}

// An underscore stands between two digits, or between the base's prefix and a digit.
bool UnderscoresAreInPlace(absl::string_view digits, bool after_prefix, bool hex) {
  bool may_follow = after_prefix;
  for (size_t i = 0; i < digits.size(); ++i) {
    const char c = digits[i];
    if (c != '_') {
      may_follow = hex ? absl::ascii_isxdigit(c) : absl::ascii_isdigit(c);
      continue;
    }
    if (!may_follow || i + 1 == digits.size()) return false;
    const char after = digits[i + 1];
    if (!(hex ? absl::ascii_isxdigit(after) : absl::ascii_isdigit(after))) return false;
    may_follow = false;
  }
  return true;
}

absl::StatusOr<Value> ParseInteger(absl::string_view literal, bool negative, int base,
                                   absl::string_view digits) {
  const uint64_t limit = uint64_t{std::numeric_limits<int64_t>::max()} + (negative ? 1 : 0);
  uint64_t magnitude = 0;
  for (const char c : digits) {
    const int digit = DigitValue(c);
    if (digit >= base) return BadNumber(literal);
    if (magnitude > (limit - digit) / base) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", literal, "\" is too large: integers have 64 bits"));
    }
    magnitude = magnitude * base + digit;
  }
  return Value(static_cast<int64_t>(negative ? uint64_t{0} - magnitude : magnitude));
}

absl::StatusOr<Value> ParseFloat(absl::string_view literal, bool negative, bool hex,
                                 absl::string_view digits) {
  // Go asks for the exponent of a hexadecimal float; nothing else here does.
  if (hex && digits.find_first_of("pP") == digits.npos) return BadNumber(literal);
  double value = 0;
  const auto result = absl::from_chars(digits.data(), digits.data() + digits.size(), value,
                                       hex ? absl::chars_format::hex : absl::chars_format::general);
  if (result.ec == std::errc::invalid_argument || result.ptr != digits.data() + digits.size()) {
    return BadNumber(literal);
  }
  if (result.ec == std::errc::result_out_of_range && std::fabs(value) > 1) {
    return absl::InvalidArgumentError(absl::StrCat("\"", literal, "\" is too large for a float"));
  }
  return Value(negative ? -value : value);
}

absl::Status BadEscape(absl::string_view escape) {
  return absl::InvalidArgumentError(
      absl::StrCat("bad escape in ", escape, ": write a backslash as \\\\, or use `raw` quotes"));
}

// `size` digits in front of *text.
bool TakeDigits(int base, size_t size, absl::string_view* text, char32_t* value) {
  if (text->size() < size) return false;
  *value = 0;
  for (size_t i = 0; i < size; ++i) {
    const int digit = DigitValue((*text)[i]);
    if (digit >= base) return false;
    *value = *value * base + digit;
  }
  text->remove_prefix(size);
  return true;
}

// One escape in front of *text, whose backslash is gone already: its rune, and whether it means a
// single byte even from 0x80 on.
bool TakeEscape(char quote, absl::string_view* text, char32_t* rune, bool* is_byte) {
  *is_byte = false;
  if (text->empty()) return false;
  const char c = text->front();
  if (c >= '0' && c <= '7') {
    *is_byte = true;
    return TakeDigits(8, 3, text, rune) && *rune <= 0xFF;
  }
  text->remove_prefix(1);
  switch (c) {
    case 'a':
      *rune = '\a';
      return true;
    case 'b':
      *rune = '\b';
      return true;
    case 'f':
      *rune = '\f';
      return true;
    case 'n':
      *rune = '\n';
      return true;
    case 'r':
      *rune = '\r';
      return true;
    case 't':
      *rune = '\t';
      return true;
    case 'v':
      *rune = '\v';
      return true;
    case '\\':
      *rune = '\\';
      return true;
    case 'x':
      *is_byte = true;
      return TakeDigits(16, 2, text, rune);
    case 'u':
    case 'U':
      return TakeDigits(16, c == 'u' ? 4 : 8, text, rune) && *rune <= kMaxCharacter &&
             !(*rune >= 0xD800 && *rune <= 0xDFFF);
    default:
      *rune = static_cast<unsigned char>(c);
      return c == quote;
  }
}

}  // namespace

absl::StatusOr<Value> ParseNumber(absl::string_view literal) {
  absl::string_view digits = literal;
  const bool negative = absl::StartsWith(digits, "-");
  if (negative || absl::StartsWith(digits, "+")) digits.remove_prefix(1);

  int base = 10;
  bool prefix = false;
  if (digits.size() > 1 && digits[0] == '0') {
    const char letter = absl::ascii_tolower(digits[1]);
    base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    prefix = base != 10;
  }
  if (prefix) digits.remove_prefix(2);
  const bool hex = base == 16;
  std::string without_underscores;
  if (absl::StrContains(digits, '_')) {
    if (!UnderscoresAreInPlace(digits, prefix, hex)) return BadNumber(literal);
    for (const char c : digits) {
      if (c != '_') without_underscores.push_back(c);
    }
    digits = without_underscores;
  }
  if (digits.empty()) return BadNumber(literal);

  const absl::string_view float_marks = hex ? ".pP" : ".eE";
  if (digits.find_first_of(float_marks) != digits.npos) {
    if (prefix && !hex) return BadNumber(literal);
    return ParseFloat(literal, negative, hex, digits);
  }
  if (!prefix && digits.size() > 1 && digits[0] == '0') base = 8;
  return ParseInteger(literal, negative, base, digits);
}

Value AsIntIfWhole(Value constant) {
  if (constant.kind() != Value::Kind::kFloat) return constant;
  const double number = constant.AsFloat();
  // The first double that is too large; the least one is an int.
  constexpr double kEnd = 9223372036854775808.0;
  const bool is_int = number >= -kEnd && number < kEnd && std::trunc(number) == number;
  return is_int ? Value(static_cast<int64_t>(number)) : constant;
}

absl::StatusOr<Value> ParseString(absl::string_view literal) {
  absl::string_view rest = literal.substr(1, literal.size() - 2);
  std::string text;
  text.reserve(rest.size());
  for (size_t escape; (escape = rest.find('\\')) != rest.npos;) {
    text.append(rest.data(), escape);
    rest.remove_prefix(escape + 1);
    char32_t rune = 0;
    bool is_byte = false;
    if (!TakeEscape('"', &rest, &rune, &is_byte)) return BadEscape(literal);
    if (is_byte) {
      text.push_back(static_cast<char>(rune));
    } else {
      AppendUtf8(rune, &text);
    }
  }
  text.append(rest.data(), rest.size());
  return Value(std::move(text));
}

Value ParseRawString(absl::string_view literal) {
  std::string text;
  for (const char c : literal.substr(1, literal.size() - 2)) {
    if (c != '\r') text.push_back(c);
  }
  return Value(std::move(text));
}

absl::StatusOr<Value> ParseCharacter(absl::string_view literal) {
  absl::string_view rest = literal.substr(1, literal.size() - 2);
  char32_t rune = 0;
  if (absl::StartsWith(rest, "\\")) {
    rest.remove_prefix(1);
    bool is_byte = false;
    if (!TakeEscape('\'', &rest, &rune, &is_byte)) return BadEscape(literal);
  } else if (!rest.empty()) {
    const Utf8Character character = FirstCharacter(rest);
    rune = character.code;
    rest.remove_prefix(character.size);
  } else {
    rest = literal;
  }
  if (!rest.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(literal, " is not one character; strings are in \" or `"));
  }
  return Value(static_cast<int64_t>(rune));
}

}  // namespace rally::go_template
