#include "common/pipeline/go_template/regex_cost.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace rally::go_template {
namespace {

// To find where a match begins and ends, in searches that only say whether there is one: forwards,
// twice over what follows a match, and backwards; and once more for groups.
constexpr size_t kPlaceCost = 4;
// So many groups cost as much as a search: in the worst case all of them are copied for each
// instruction.
constexpr size_t kGroupsPerSearch = 4;

constexpr absl::string_view kRepetitions = "*+?{";

bool MayRepeatWithoutEnd(absl::string_view expression) {
  return expression.find_first_of("*+") != expression.npos || absl::StrContains(expression, ",}");
}

// False also for what only looks like alternatives or a repeated group, in brackets say. Between \Q
// and \E everything is a character, and \Q\E before a repetition is nothing at all.
bool IsRowOfCharacters(absl::string_view expression) {
  for (size_t i = 0; i < expression.size(); ++i) {
    const char next = i + 1 < expression.size() ? expression[i + 1] : '\0';
    switch (expression[i]) {
      case '|':
        return false;
      case ')':
        if (next != '\0' && absl::StrContains(kRepetitions, next)) return false;
        break;
      case '\\':
        if (next == 'Q' || next == 'E') return false;
        break;
      default:
        break;
    }
  }
  return true;
}

}  // namespace

// A search touches each byte once, and in the worst case each instruction for each byte.
size_t RegexTestCost(size_t program_size, size_t bytes) { return bytes * (2 + program_size); }

RegexCost::RegexCost(absl::string_view expression, size_t program_size, size_t groups)
    : reach_(ReachOf(expression)),
      program_size_(program_size),
      byte_cost_((kPlaceCost + groups / kGroupsPerSearch) * RegexTestCost(program_size, 1)) {}

RegexCost::Reach RegexCost::ReachOf(absl::string_view expression) {
  if (IsRowOfCharacters(expression)) return Reach::kToNextMatch;
  return MayRepeatWithoutEnd(expression) ? Reach::kToEnd : Reach::kLongestMatch;
}

size_t RegexCost::OfText(size_t bytes) const {
  return reach_ == Reach::kToEnd ? 0 : byte_cost_ * bytes;
}

size_t RegexCost::OfSearch(size_t bytes_left) const {
  switch (reach_) {
    case Reach::kToNextMatch:
      // To begin one.
      return program_size_;
    case Reach::kLongestMatch:
      // Each byte of a match has an instruction of its own.
      return byte_cost_ * std::min(bytes_left, program_size_);
    case Reach::kToEnd:
      return byte_cost_ * bytes_left;
  }
  return byte_cost_ * bytes_left;
}

}  // namespace rally::go_template
