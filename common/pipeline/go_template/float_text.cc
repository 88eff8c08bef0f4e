#include "common/pipeline/go_template/float_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace rally::go_template {
namespace {

// Digits of a double in front of the point, a sign, a point and an exponent.
constexpr int kRoomForTheRest = 330;

// Without the sign; `value` is finite and not negative.
std::string Digits(double value, std::chars_format format, int precision) {
  std::string text(static_cast<size_t>(std::max(precision, 20) + kRoomForTheRest), '\0');
  char* const end = text.data() + text.size();
  const std::to_chars_result result =
      precision == kShortest ? std::to_chars(text.data(), end, value, format)
                             : std::to_chars(text.data(), end, value, format, precision);
  text.resize(static_cast<size_t>(result.ptr - text.data()));
  return text;
}

// The exponent that an 'e' form ends with.
int DecimalExponent(const std::string& scientific) {
  return std::atoi(scientific.c_str() + scientific.find('e') + 1);
}

std::string General(double value, int precision) {
  if (precision == 0) precision = 1;
  if (precision != kShortest) return Digits(value, std::chars_format::general, precision);
  constexpr int kLeastFixed = -4;
  constexpr int kLeastScientific = 6;
  std::string scientific = Digits(value, std::chars_format::scientific, kShortest);
  const int exponent = DecimalExponent(scientific);
  if (exponent < kLeastFixed || exponent >= kLeastScientific) return scientific;
  return Digits(value, std::chars_format::fixed, kShortest);
}

// Go writes two digits of exponent at least, and normalises the least numbers too.
std::string Hexadecimal(double value, int precision) {
  int exponent = 0;
  double mantissa = std::frexp(value, &exponent);  // In [0.5, 1), or 0.
  if (mantissa != 0) {
    mantissa *= 2;
    --exponent;
  }
  // "1.8p+0"
  std::string digits = Digits(mantissa, std::chars_format::hex, precision);
  digits.resize(digits.find('p'));
  if (digits[0] == '2') {  // Rounded up.
    digits[0] = '1';
    ++exponent;
  }
  const int size = std::abs(exponent);
  return absl::StrCat("0x", digits, "p", exponent < 0 ? "-" : "+", size < 10 ? "0" : "", size);
}

// The mantissa as an integer and the power of two to multiply it with.
std::string Binary(double value) {
  constexpr int kMantissaBits = 52;
  constexpr int kLeastExponent = -1074;
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);
  exponent =
      fraction == 0 ? kLeastExponent : std::max(exponent - kMantissaBits - 1, kLeastExponent);
  const auto mantissa = static_cast<int64_t>(std::ldexp(value, -exponent));
  return absl::StrCat(mantissa, "p", exponent < 0 ? "" : "+", exponent);
}

}  // namespace

std::string FloatText(double value, char form, int precision) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Inf" : "+Inf";
  const double size = std::fabs(value);
  std::string text;
  switch (absl::ascii_tolower(static_cast<unsigned char>(form))) {
    case 'e':
      text = Digits(size, std::chars_format::scientific, precision);
      break;
    case 'g':
      text = General(size, precision);
      break;
    case 'x':
      text = Hexadecimal(size, precision);
      break;
    case 'b':
      text = Binary(size);
      break;
    default:
      text = Digits(size, std::chars_format::fixed, precision);
      break;
  }
  if (absl::ascii_isupper(static_cast<unsigned char>(form))) absl::AsciiStrToUpper(&text);
  if (std::signbit(value)) text.insert(0, 1, '-');
  return text;
}

}  // namespace rally::go_template
