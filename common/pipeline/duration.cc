#include "common/pipeline/duration.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/quote.h"

namespace rally::pipeline {
namespace {

constexpr uint64_t kTwoTo63 = uint64_t{1} << 63;
constexpr uint64_t kMaxInt64 = kTwoTo63 - 1;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Nanoseconds in a unit; 0 for what is not a unit.
uint64_t UnitNanoseconds(absl::string_view unit) {
  if (unit == "ns") return 1;
  // Go takes both the micro sign (U+00B5) and the Greek letter mu (U+03BC).
  if (unit == "us" || unit == "\xC2\xB5s" || unit == "\xCE\xBCs") return 1'000;
  if (unit == "ms") return 1'000'000;
  if (unit == "s") return 1'000'000'000;
  if (unit == "m") return 60'000'000'000;
  if (unit == "h") return 3'600'000'000'000;
  return 0;
}

absl::Status Invalid(absl::string_view message) { return absl::InvalidArgumentError(message); }

absl::Status OutOfRange() { return Invalid("duration is out of range (about 292 years)"); }

// Takes the leading digits; false when they exceed 2^63.
bool TakeInteger(absl::string_view* text, uint64_t* value) {
  *value = 0;
  while (!text->empty() && IsDigit(text->front())) {
    if (*value > kTwoTo63 / 10) return false;
    *value = *value * 10 + static_cast<uint64_t>(text->front() - '0');
    if (*value > kTwoTo63) return false;
    text->remove_prefix(1);
  }
  return true;
}

// Takes the leading digits as a numerator over `*scale`. Digits that no longer fit are dropped:
// they are far below a nanosecond.
void TakeFraction(absl::string_view* text, uint64_t* digits, double* scale) {
  *digits = 0;
  *scale = 1;
  bool full = false;
  while (!text->empty() && IsDigit(text->front())) {
    if (!full && *digits > kMaxInt64 / 10) full = true;
    if (!full) {
      const uint64_t next = *digits * 10 + static_cast<uint64_t>(text->front() - '0');
      if (next > kTwoTo63) {
        full = true;
      } else {
        *digits = next;
        *scale *= 10;
      }
    }
    text->remove_prefix(1);
  }
}

absl::string_view TakeUnit(absl::string_view* text) {
  size_t length = 0;
  while (length < text->size() && (*text)[length] != '.' && !IsDigit((*text)[length])) ++length;
  const absl::string_view unit = text->substr(0, length);
  text->remove_prefix(length);
  return unit;
}

}  // namespace

absl::StatusOr<absl::Duration> ParseGoDuration(absl::string_view text) {
  const absl::string_view whole = text;
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return absl::ZeroDuration();
  if (text.empty()) return Invalid("invalid duration (write for example \"60s\")");

  uint64_t total = 0;
  while (!text.empty()) {
    if (text.front() != '.' && !IsDigit(text.front())) {
      return Invalid("invalid duration (write for example \"60s\")");
    }
    const size_t before_integer = text.size();
    uint64_t value = 0;
    if (!TakeInteger(&text, &value)) return OutOfRange();
    bool has_digits = text.size() != before_integer;
    uint64_t fraction = 0;
    double scale = 1;
    if (!text.empty() && text.front() == '.') {
      text.remove_prefix(1);
      const size_t before_fraction = text.size();
      TakeFraction(&text, &fraction, &scale);
      has_digits = has_digits || text.size() != before_fraction;
    }
    if (!has_digits) return Invalid("invalid duration (write for example \"60s\")");

    const absl::string_view unit_name = TakeUnit(&text);
    if (unit_name.empty()) {
      return Invalid(
          absl::StrCat("missing unit in duration (write ", Quote(absl::StrCat(whole, "s")), ")"));
    }
    const uint64_t unit = UnitNanoseconds(unit_name);
    if (unit == 0) {
      return Invalid(absl::StrCat("unknown unit ", Quote(unit_name),
                                  " in duration (units are ns, us, ms, s, m and h)"));
    }
    if (value > kTwoTo63 / unit) return OutOfRange();
    value *= unit;
    if (fraction > 0) {
      // In double, as Go does: 0.3333333333333333333h has to end in the same nanosecond.
      value += static_cast<uint64_t>(static_cast<double>(fraction) *
                                     (static_cast<double>(unit) / scale));
      if (value > kTwoTo63) return OutOfRange();
    }
    total += value;
    if (total > kTwoTo63) return OutOfRange();
  }
  if (negative) {
    if (total == kTwoTo63) return absl::Nanoseconds(std::numeric_limits<int64_t>::min());
    return absl::Nanoseconds(-static_cast<int64_t>(total));
  }
  if (total > kMaxInt64) return OutOfRange();
  return absl::Nanoseconds(static_cast<int64_t>(total));
}

namespace {

// `value` / 10^places, without trailing zeros.
std::string Decimal(uint64_t value, int places) {
  uint64_t scale = 1;
  for (int i = 0; i < places; ++i) scale *= 10;
  std::string text = absl::StrCat(value / scale);
  uint64_t fraction = value % scale;
  if (fraction == 0) return text;
  std::string digits = absl::StrCat(fraction);
  digits.insert(0, places - digits.size(), '0');
  while (digits.back() == '0') digits.pop_back();
  return absl::StrCat(text, ".", digits);
}

}  // namespace

std::string FormatGoDuration(absl::Duration duration) {
  const int64_t nanoseconds = absl::ToInt64Nanoseconds(duration);
  if (nanoseconds == 0) return "0s";
  const bool negative = nanoseconds < 0;
  const uint64_t magnitude =
      negative ? -static_cast<uint64_t>(nanoseconds) : static_cast<uint64_t>(nanoseconds);
  std::string text;
  if (magnitude < 1'000) {
    text = absl::StrCat(magnitude, "ns");
  } else if (magnitude < 1'000'000) {
    text = absl::StrCat(Decimal(magnitude, 3), "\xC2\xB5s");
  } else if (magnitude < 1'000'000'000) {
    text = absl::StrCat(Decimal(magnitude, 6), "ms");
  } else {
    constexpr uint64_t kMinute = 60'000'000'000;
    const uint64_t minutes = magnitude / kMinute;
    if (minutes >= 60) absl::StrAppend(&text, minutes / 60, "h");
    if (minutes > 0) absl::StrAppend(&text, minutes % 60, "m");
    absl::StrAppend(&text, Decimal(magnitude % kMinute, 9), "s");
  }
  return negative ? absl::StrCat("-", text) : text;
}

}  // namespace rally::pipeline
