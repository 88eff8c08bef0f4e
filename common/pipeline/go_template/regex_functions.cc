// sprig's functions on regular expressions. RE2 takes the same expressions as Go; the text that
// replaces a match is Go's: $1, ${name}, $$.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/pipeline/go_template/argument.h"
#include "common/pipeline/go_template/bounded_text.h"
#include "common/pipeline/go_template/function_groups.h"
#include "common/pipeline/go_template/regex_cost.h"
#include "common/pipeline/quote.h"
#include "common/pipeline/utf8.h"
#include "re2/re2.h"

namespace rally::go_template {
namespace {

// Of a compiled expression with its caches; compiling takes up to nine times as much. A hundred
// characters that may be of any script, \pL{1,100} say, have more than a hundred thousand
// instructions: as many as fit, and as many as the steps of a render pay for.
constexpr int64_t kMaxMemoryBytes = int64_t{4} << 20;
// Counted in bytes of Budget::Charge: what compiling costs at least, and for each instruction.
constexpr size_t kCompileCost = 16 << 10;
constexpr size_t kInstructionCost = 320;
// What it costs to find out that an expression takes too much memory.
constexpr size_t kTooLargeCost = size_t{20} << 20;

RE2::Options Options() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxMemoryBytes);
  return options;
}

re2::StringPiece Piece(absl::string_view text) { return {text.data(), text.size()}; }

// RE2 has one thing that Go hasn't: \C, a single byte, which would cut characters to pieces.
bool MatchesBytes(absl::string_view expression) {
  for (size_t i = 0; i + 1 < expression.size(); ++i) {
    if (expression[i] != '\\') continue;
    if (expression[++i] == 'C') return true;
  }
  return false;
}

absl::Status CheckCompiled(const RE2& regex, absl::string_view text, Budget* budget) {
  if (regex.error_code() == RE2::ErrorPatternTooLarge) {
    if (absl::Status charged = budget->Charge(kTooLargeCost); !charged.ok()) return charged;
  }
  if (!regex.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(pipeline::Quote(text), " is no regular expression: ", regex.error()));
  }
  if (MatchesBytes(text)) {
    return absl::InvalidArgumentError(
        absl::StrCat(pipeline::Quote(text), " is no regular expression: invalid escape \\C"));
  }
  return budget->Charge(kInstructionCost * static_cast<size_t>(regex.ProgramSize()));
}

// regexMatch EXPRESSION TEXT
absl::StatusOr<Value> RegexMatch(Arguments arguments, Budget* budget) {
  const auto strings = StringArguments<2>(arguments);
  if (!strings.ok()) return strings.status();
  const auto [expression, text] = *strings;
  if (absl::Status charged = budget->Charge(kCompileCost + expression.size()); !charged.ok()) {
    return charged;
  }
  const RE2 regex(Piece(expression), Options());
  if (absl::Status usable = CheckCompiled(regex, expression, budget); !usable.ok()) return usable;
  const size_t cost = RegexTestCost(static_cast<size_t>(regex.ProgramSize()), text.size());
  if (absl::Status charged = budget->Charge(cost); !charged.ok()) return charged;
  return Value(RE2::PartialMatch(Piece(text), regex));
}

// What replaces the matches of one expression.
class Replacement {
 public:
  Replacement(absl::string_view text, const RE2& regex)
      : groups_(regex.NamedCapturingGroups()), group_count_(regex.NumberOfCapturingGroups()) {
    while (!text.empty()) {
      const size_t dollar = text.find('$');
      parts_.push_back({text.substr(0, dollar), kNoGroup});
      if (dollar == absl::string_view::npos) break;
      text.remove_prefix(dollar + 1);
      if (absl::ConsumePrefix(&text, "$")) {
        parts_.push_back({"$", kNoGroup});
      } else {
        parts_.push_back(ReadGroup(&text));
        last_group_ = std::max(last_group_, parts_.back().group);
      }
    }
  }

  // The highest number of a group that it names; 0 when it names none.
  size_t last_group() const { return static_cast<size_t>(last_group_); }

  void Append(const std::vector<re2::StringPiece>& match, BoundedText* out) const {
    for (const Part& part : parts_) {
      out->Append(part.literal);
      if (part.group == kNoGroup) continue;
      const re2::StringPiece group = match[static_cast<size_t>(part.group)];
      out->Append(absl::string_view(group.data(), group.size()));
    }
  }

 private:
  static constexpr int kNoGroup = -1;

  struct Part {
    absl::string_view literal;
    int group;
  };

  // Behind a "$". A name is as long as it can be: $1x is the group "1x". What is no name stays, and
  // what names no group is empty.
  Part ReadGroup(absl::string_view* text) const {
    absl::string_view rest = *text;
    const bool in_braces = absl::ConsumePrefix(&rest, "{");
    const absl::string_view name = NameAtBeginOf(rest);
    rest.remove_prefix(name.size());
    if (name.empty() || (in_braces && !absl::ConsumePrefix(&rest, "}"))) return {"$", kNoGroup};
    *text = rest;
    int number = kNoGroup;
    const bool is_number = name.find_first_not_of("0123456789") == absl::string_view::npos &&
                           (name.size() == 1 || name[0] != '0') && absl::SimpleAtoi(name, &number);
    if (is_number) return {"", number <= group_count_ ? number : kNoGroup};
    const auto named = groups_.find(std::string(name));
    return {"", named != groups_.end() ? named->second : kNoGroup};
  }

  // Of the characters that Go takes for a name's: those of all scripts, though groups can be named
  // with those of ASCII only.
  static absl::string_view NameAtBeginOf(absl::string_view text) {
    // Never destroyed: rendering may outlast the static objects of other files.
    static const auto* const kName = new RE2("[\\pL\\p{Nd}_]+");
    re2::StringPiece rest = Piece(text);
    RE2::Consume(&rest, *kName);
    return text.substr(0, text.size() - rest.size());
  }

  const std::map<std::string, int>& groups_;
  const int group_count_;
  std::vector<Part> parts_;
  int last_group_ = 0;
};

// regexReplaceAll EXPRESSION TEXT REPLACEMENT
absl::StatusOr<Value> RegexReplaceAll(Arguments arguments, Budget* budget) {
  const auto strings = StringArguments<3>(arguments);
  if (!strings.ok()) return strings.status();
  const auto [expression, text, replacement_text] = *strings;
  if (absl::Status charged =
          budget->Charge(kCompileCost + expression.size() + replacement_text.size());
      !charged.ok()) {
    return charged;
  }
  const RE2 regex(Piece(expression), Options());
  if (absl::Status usable = CheckCompiled(regex, expression, budget); !usable.ok()) return usable;

  const Replacement replacement(replacement_text, regex);
  // The place of the whole match, and of the groups that are asked for.
  std::vector<re2::StringPiece> match(1 + replacement.last_group());
  const RegexCost cost(expression, static_cast<size_t>(regex.ProgramSize()),
                       replacement.last_group());
  if (absl::Status charged = budget->Charge(cost.OfText(text.size())); !charged.ok()) {
    return charged;
  }
  BoundedText replaced(budget);
  size_t search_at = 0;
  size_t copied_to = 0;
  while (search_at <= text.size() && !replaced.failed()) {
    if (absl::Status charged = budget->Charge(cost.OfSearch(text.size() - search_at));
        !charged.ok()) {
      return charged;
    }
    if (!regex.Match(Piece(text), search_at, text.size(), RE2::UNANCHORED, match.data(),
                     static_cast<int>(match.size()))) {
      break;
    }
    const auto begin = static_cast<size_t>(match[0].data() - text.data());
    const size_t end = begin + match[0].size();
    replaced.Append(text.substr(copied_to, begin - copied_to));
    // An empty match right behind another match is none.
    if (end > copied_to || begin == 0) replacement.Append(match, &replaced);
    copied_to = end;
    // At least a character further, also behind an empty match.
    const size_t size = search_at < text.size() ? FirstCharacter(text.substr(search_at)).size : 1;
    search_at = std::max(end, search_at + size);
  }
  replaced.Append(text.substr(copied_to));
  return replaced.Finish();
}

constexpr Function kFunctions[] = {
    {"regexMatch", 2, 2, RegexMatch},
    {"regexReplaceAll", 3, 3, RegexReplaceAll},
};

}  // namespace

absl::Span<const Function> RegexFunctions() { return kFunctions; }

}  // namespace rally::go_template
