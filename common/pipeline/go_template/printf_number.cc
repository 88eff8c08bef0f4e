#include "common/pipeline/go_template/printf_number.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/float_text.h"
#include "common/pipeline/go_template/unicode.h"
#include "common/pipeline/utf8.h"

namespace rally::go_template {
namespace {

std::string DigitsOf(uint64_t value, unsigned base, bool upper_case) {
  const absl::string_view digits = upper_case ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string text;
  do {
    text.push_back(digits[value % base]);
    value /= base;
  } while (value > 0);
  std::reverse(text.begin(), text.end());
  return text;
}

Directive WithBlanks(const Directive& directive) {
  Directive blanks = directive;
  blanks.zero = false;
  return blanks;
}

absl::string_view SignOf(bool negative, const Directive& directive) {
  if (negative) return "-";
  if (directive.plus) return "+";
  return directive.space ? " " : "";
}

unsigned BaseOf(char32_t verb) {
  switch (verb) {
    case 'b':
      return 2;
    case 'o':
    case 'O':
      return 8;
    case 'x':
    case 'X':
      return 16;
    default:
      return 10;
  }
}

// "0x" and the like; for octal a zero that may be there already.
std::string PrefixOf(const Directive& directive, absl::string_view digits) {
  std::string prefix;
  if (directive.verb == 'O') prefix = "0o";
  // A "v" keeps its "#" for other kinds of values.
  if (!directive.sharp) return prefix;
  switch (directive.verb) {
    case 'b':
      return "0b";
    case 'o':
    case 'O':
      if (!absl::StartsWith(digits, "0")) prefix += "0";
      return prefix;
    case 'x':
      return "0x";
    case 'X':
      return "0X";
    default:
      return prefix;
  }
}

// "%#g" keeps the point and fills up with zeros to the precision.
std::string WithPoint(std::string text, const Directive& directive) {
  const bool is_hexadecimal = absl::StartsWithIgnoreCase(text, "0x");
  const size_t exponent = std::min(text.find_first_of(is_hexadecimal ? "pP" : "eE"), text.size());
  const std::string tail = text.substr(exponent);
  text.resize(exponent);
  size_t wanted = 0;
  switch (directive.verb) {
    case 'v':
    case 'g':
    case 'G':
    case 'x':
      wanted = directive.precision.value_or(6);
      break;
    default:
      break;
  }
  size_t significant = 0;
  for (const char c : text) {
    const bool counts = c != '.' && (significant > 0 || c != '0');
    if (counts) ++significant;
  }
  if (!absl::StrContains(text, '.')) {
    if (text == "0") ++significant;
    text.push_back('.');
  }
  if (wanted > significant) text.append(wanted - significant, '0');
  return text + tail;
}

}  // namespace

void AppendPadded(absl::string_view text, const Directive& directive, BoundedText* out) {
  const size_t width = directive.width.value_or(0);
  const size_t size = width == 0 ? 0 : CountCharacters(text);
  const size_t padding = width > size ? width - size : 0;
  if (!directive.minus) out->Append(padding, directive.zero ? '0' : ' ');
  out->Append(text);
  if (directive.minus) out->Append(padding, ' ');
}

void AppendInteger(int64_t value, const Directive& directive, BoundedText* out) {
  const bool negative = value < 0;
  const auto bits = static_cast<uint64_t>(value);
  std::string digits =
      DigitsOf(negative ? 0 - bits : bits, BaseOf(directive.verb), directive.verb == 'X');
  const absl::string_view sign = SignOf(negative, directive);
  size_t least = 0;
  if (directive.precision.has_value()) {
    least = *directive.precision;
    if (least == 0 && value == 0) return AppendPadded("", WithBlanks(directive), out);
  } else if (directive.zero && directive.width.has_value()) {
    least = *directive.width - std::min(*directive.width, sign.size());
  }
  if (!out->Fits(least)) return;
  if (digits.size() < least) digits.insert(0, least - digits.size(), '0');
  AppendPadded(absl::StrCat(sign, PrefixOf(directive, digits), digits), WithBlanks(directive), out);
}

void AppendCodePoint(int64_t value, const Directive& directive, BoundedText* out) {
  const size_t least = std::max<size_t>(directive.precision.value_or(0), 4);
  if (!out->Fits(least)) return;
  std::string digits = DigitsOf(static_cast<uint64_t>(value), 16, true);
  if (digits.size() < least) digits.insert(0, least - digits.size(), '0');
  std::string text = absl::StrCat("U+", digits);
  const bool is_character = value >= 0 && value <= kMaxCharacter;
  if (directive.sharp && is_character && IsPrintable(static_cast<char32_t>(value))) {
    text += " '";
    AppendUtf8(static_cast<char32_t>(value), &text);
    text += "'";
  }
  AppendPadded(text, WithBlanks(directive), out);
}

void AppendFloat(double value, const Directive& directive, BoundedText* out) {
  constexpr int kDefaultPrecision = 6;
  int precision = kShortest;
  if (absl::StrContains("fFeE", static_cast<char>(directive.verb))) precision = kDefaultPrecision;
  if (directive.precision.has_value()) {
    if (!out->Fits(*directive.precision)) return;
    precision = static_cast<int>(*directive.precision);
  }
  char form = static_cast<char>(directive.verb);
  if (form == 'v') form = 'g';
  if (form == 'F') form = 'f';
  std::string text = FloatText(value, form, precision);
  const bool negative = text[0] == '-';
  if (negative || text[0] == '+') text.erase(0, 1);
  if (text == "NaN" || text == "Inf") {
    // An infinity always has a sign, but a blank may stand for the plus.
    absl::string_view sign = SignOf(negative, directive);
    if (sign.empty() && text == "Inf") sign = "+";
    return AppendPadded(absl::StrCat(sign, text), WithBlanks(directive), out);
  }
  const bool sharp = directive.sharp && directive.verb != 'v' && directive.verb != 'b';
  if (sharp) text = WithPoint(std::move(text), directive);
  const absl::string_view sign = SignOf(negative, directive);
  if (!directive.zero || sign.empty())
    return AppendPadded(absl::StrCat(sign, text), directive, out);
  out->Append(sign);
  Directive rest = directive;
  rest.width = directive.width.value_or(0) - std::min(directive.width.value_or(0), sign.size());
  AppendPadded(text, rest, out);
}

}  // namespace rally::go_template
