// sprig's functions on integers. What looks like an integer is one here, since a value of --set is
// always a string; anything else is an error, where sprig would count it as 0. Sums and products
// wrap around, as Go's int64 does.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/pipeline/go_template/argument.h"
#include "common/pipeline/go_template/function_groups.h"
#include "common/pipeline/quote.h"

namespace rally::go_template {
namespace {

// Leading zeros and a base included. Longer ones would cost time that no budget counts.
constexpr size_t kMaxIntegerBytes = 256;

absl::Status NotAnInteger(absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat(pipeline::Quote(text), " is not an integer"));
}

// "8.00" is 8.
absl::string_view WithoutZeroDecimals(absl::string_view text) {
  const size_t end = text.find_last_not_of('0');
  const bool has_zeros = end != absl::string_view::npos && end + 1 < text.size();
  return has_zeros && text[end] == '.' ? text.substr(0, end) : text;
}

bool ParseMagnitude(absl::string_view digits, int base, uint64_t* magnitude) {
  if (digits.empty()) return false;
  *magnitude = 0;
  for (const char c : digits) {
    const auto byte = static_cast<unsigned char>(c);
    int digit = base;
    if (absl::ascii_isdigit(byte)) digit = c - '0';
    if (absl::ascii_isalpha(byte)) digit = absl::ascii_tolower(byte) - 'a' + 10;
    if (digit >= base) return false;
    if (__builtin_mul_overflow(*magnitude, static_cast<uint64_t>(base), magnitude) ||
        __builtin_add_overflow(*magnitude, static_cast<uint64_t>(digit), magnitude)) {
      return false;
    }
  }
  return true;
}

absl::StatusOr<int64_t> ParseInteger(absl::string_view text) {
  if (text.size() > kMaxIntegerBytes) return NotAnInteger(text);
  absl::string_view digits = WithoutZeroDecimals(text);
  const bool negative = absl::ConsumePrefix(&digits, "-");
  if (!negative) absl::ConsumePrefix(&digits, "+");
  int base = 10;
  if (absl::StartsWithIgnoreCase(digits, "0x")) {
    base = 16;
  } else if (absl::StartsWithIgnoreCase(digits, "0o")) {
    base = 8;
  } else if (absl::StartsWithIgnoreCase(digits, "0b")) {
    base = 2;
  } else if (digits.size() > 1 && digits[0] == '0') {
    // sprig 2 reads it as a decimal number, sprig 3 as an octal one.
    return absl::InvalidArgumentError(
        absl::StrCat(pipeline::Quote(text), " could be octal; drop the leading zero"));
  }
  if (base != 10) digits.remove_prefix(2);
  uint64_t magnitude = 0;
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  if (!ParseMagnitude(digits, base, &magnitude) || magnitude > kMost + (negative ? 1 : 0)) {
    return NotAnInteger(text);
  }
  return static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
}

absl::StatusOr<int64_t> ToInteger(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kInt:
      return value.AsInt();
    case Value::Kind::kBool:
      return int64_t{value.AsBool()};
    case Value::Kind::kFloat: {
      constexpr double kEnd = 9223372036854775808.0;  // 2^63
      const double number = std::trunc(value.AsFloat());
      if (!(number >= -kEnd && number < kEnd)) {
        return absl::InvalidArgumentError("has a float that no int64 can hold");
      }
      return static_cast<int64_t>(number);
    }
    case Value::Kind::kString:
      return ParseInteger(value.AsString());
    case Value::Kind::kNil:
    case Value::Kind::kList:
    case Value::Kind::kMap:
      break;
  }
  return WrongKind("a number", value);
}

using Operation = absl::StatusOr<int64_t> (*)(int64_t a, int64_t b);

absl::StatusOr<Value> Fold(Arguments arguments, Operation operation) {
  absl::StatusOr<int64_t> result = ToInteger(arguments[0]);
  for (const Value& argument : arguments.subspan(1)) {
    if (!result.ok()) break;
    const absl::StatusOr<int64_t> operand = ToInteger(argument);
    if (!operand.ok()) return operand.status();
    result = operation(*result, *operand);
  }
  if (!result.ok()) return result.status();
  return Value(*result);
}

int64_t Wrapped(uint64_t bits) { return static_cast<int64_t>(bits); }

absl::StatusOr<Value> Add(Arguments arguments, Budget*) {
  if (arguments.empty()) return Value(int64_t{0});
  return Fold(arguments, [](int64_t a, int64_t b) -> absl::StatusOr<int64_t> {
    return Wrapped(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  });
}

absl::StatusOr<Value> Sub(Arguments arguments, Budget*) {
  return Fold(arguments, [](int64_t a, int64_t b) -> absl::StatusOr<int64_t> {
    return Wrapped(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  });
}

absl::StatusOr<Value> Mul(Arguments arguments, Budget*) {
  return Fold(arguments, [](int64_t a, int64_t b) -> absl::StatusOr<int64_t> {
    return Wrapped(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  });
}

// The one quotient that doesn't fit, of the least number and -1, wraps to the least number.
absl::StatusOr<Value> Div(Arguments arguments, Budget*) {
  return Fold(arguments, [](int64_t a, int64_t b) -> absl::StatusOr<int64_t> {
    if (b == 0) return absl::InvalidArgumentError("cannot divide by zero");
    return b == -1 ? Wrapped(0 - static_cast<uint64_t>(a)) : a / b;
  });
}

absl::StatusOr<Value> Mod(Arguments arguments, Budget*) {
  return Fold(arguments, [](int64_t a, int64_t b) -> absl::StatusOr<int64_t> {
    if (b == 0) return absl::InvalidArgumentError("cannot divide by zero");
    return b == -1 ? 0 : a % b;
  });
}

absl::StatusOr<Value> Max(Arguments arguments, Budget*) {
  return Fold(arguments,
              [](int64_t a, int64_t b) -> absl::StatusOr<int64_t> { return a > b ? a : b; });
}

absl::StatusOr<Value> Min(Arguments arguments, Budget*) {
  return Fold(arguments,
              [](int64_t a, int64_t b) -> absl::StatusOr<int64_t> { return a < b ? a : b; });
}

absl::StatusOr<Value> Int(Arguments arguments, Budget*) {
  const absl::StatusOr<int64_t> number = ToInteger(arguments[0]);
  if (!number.ok()) return number.status();
  return Value(*number);
}

constexpr Function kFunctions[] = {
    {"add", 0, Function::kAnyNumber, Add},
    {"sub", 2, 2, Sub},
    {"mul", 1, Function::kAnyNumber, Mul},
    {"div", 2, 2, Div},
    {"mod", 2, 2, Mod},
    {"max", 1, Function::kAnyNumber, Max},
    {"min", 1, Function::kAnyNumber, Min},
    {"int", 1, 1, Int},
};

}  // namespace

absl::Span<const Function> NumberFunctions() { return kFunctions; }

}  // namespace rally::go_template
