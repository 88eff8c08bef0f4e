#include "common/size.h"

#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rally {
namespace {

struct Unit {
  absl::string_view name;
  int64_t bytes;
};

// "B" ends all others, so it is the last.
constexpr Unit kUnits[] = {{"KiB", int64_t{1} << 10},
                           {"MiB", int64_t{1} << 20},
                           {"GiB", int64_t{1} << 30},
                           {"TiB", int64_t{1} << 40},
                           {"KB", 1'000},
                           {"MB", 1'000'000},
                           {"GB", 1'000'000'000},
                           {"TB", 1'000'000'000'000},
                           {"B", 1}};

}  // namespace

absl::StatusOr<int64_t> ParseSize(absl::string_view text) {
  absl::string_view number = text;
  int64_t unit = 1;
  for (const Unit& known : kUnits) {
    if (absl::EndsWithIgnoreCase(number, known.name)) {
      number.remove_suffix(known.name.size());
      unit = known.bytes;
      break;
    }
  }
  int64_t value = 0;
  if (number.empty() || !absl::ascii_isdigit(number.front()) ||
      !absl::ascii_isdigit(number.back()) || !absl::SimpleAtoi(number, &value)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no size; write for example 512MiB, 4GiB or 200GB"));
  }
  if (value > std::numeric_limits<int64_t>::max() / unit) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is more than any disk has"));
  }
  return value * unit;
}

std::string FormatSize(int64_t bytes) {
  Unit largest = {"", 1};
  for (const Unit& unit : kUnits) {
    const bool is_binary = absl::EndsWith(unit.name, "iB");
    if (bytes > 0 && is_binary && bytes % unit.bytes == 0) largest = unit;
  }
  return absl::StrCat(bytes / largest.bytes, largest.name);
}

std::string SizeText(int64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return absl::StrFormat("%.1f %s", value, unit);
}

}  // namespace rally
