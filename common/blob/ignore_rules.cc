#include "common/blob/ignore_rules.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rally::blob {
namespace {

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Trailing blanks go, unless a backslash stands before them.
absl::string_view WithoutTrailingBlanks(absl::string_view line) {
  size_t end = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      // A lone one at the end keeps all before it.
      if (++i == line.size()) return line;
      end = i + 1;
    } else if (line[i] != ' ') {
      end = i + 1;
    }
  }
  return line.substr(0, end);
}

// Absent when the line is no rule, or none that could match.
std::optional<IgnoreRule> ParseGitRule(absl::string_view line) {
  if (absl::StartsWith(line, "#")) return std::nullopt;
  line = WithoutTrailingBlanks(line);
  IgnoreRule rule;
  rule.negated = absl::ConsumePrefix(&line, "!");
  rule.directories_only = absl::ConsumeSuffix(&line, "/");
  rule.names_only = !absl::StrContains(line, "/");
  absl::ConsumePrefix(&line, "/");
  if (line.empty()) return std::nullopt;
  std::optional<GlobPattern> pattern = GlobPattern::Compile(line, GlobPattern::Syntax::kGit);
  if (!pattern.has_value()) return std::nullopt;
  rule.pattern = *std::move(pattern);
  return rule;
}

// Without empty components, "." and "..", as far as a path can be resolved by its text.
std::string Cleaned(absl::string_view path) {
  std::vector<absl::string_view> components;
  for (const absl::string_view component : absl::StrSplit(path, '/')) {
    if (component.empty() || component == ".") continue;
    if (component != "..") {
      components.push_back(component);
    } else if (!components.empty()) {
      components.pop_back();
    }
  }
  return absl::StrJoin(components, "/");
}

absl::StatusOr<std::optional<IgnoreRule>> ParseDockerRule(absl::string_view line) {
  if (absl::StartsWith(line, "#")) return std::nullopt;
  line = absl::StripAsciiWhitespace(line);
  if (line.empty()) return std::nullopt;
  IgnoreRule rule;
  rule.negated = absl::ConsumePrefix(&line, "!");
  const std::string text = Cleaned(absl::StripAsciiWhitespace(line));
  // "." and "/" are the root itself, which is never left out.
  if (text.empty() && !line.empty()) return std::nullopt;
  std::optional<GlobPattern> pattern = GlobPattern::Compile(text, GlobPattern::Syntax::kDocker);
  if (!pattern.has_value() || text.empty()) {
    return absl::InvalidArgumentError("malformed pattern");
  }
  rule.pattern = *std::move(pattern);
  return rule;
}

}  // namespace

absl::StatusOr<std::vector<IgnoreRule>> ParseIgnoreRules(absl::string_view text,
                                                         IgnoreSyntax syntax) {
  if (text.size() > kMaxIgnoreFileBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has more than ", kMaxIgnoreFileBytes, " bytes"));
  }
  absl::ConsumePrefix(&text, kByteOrderMark);
  std::vector<IgnoreRule> rules;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    absl::ConsumeSuffix(&line, "\r");
    const std::string where = absl::StrCat("line ", number, ": ");
    if (line.size() > kMaxIgnoreLineBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, "longer than ", kMaxIgnoreLineBytes, " bytes"));
    }
    absl::StatusOr<std::optional<IgnoreRule>> rule =
        syntax == IgnoreSyntax::kGit ? ParseGitRule(line) : ParseDockerRule(line);
    if (!rule.ok()) {
      return absl::Status(rule.status().code(), absl::StrCat(where, rule.status().message(), ": ",
                                                             absl::StripAsciiWhitespace(line)));
    }
    if (!rule->has_value()) continue;
    if (rules.size() >= kMaxIgnoreRules) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, "more than ", kMaxIgnoreRules, " rules"));
    }
    rules.push_back(**std::move(rule));
  }
  return rules;
}

absl::StatusOr<IgnoreWalk> IgnoreWalk::Enter(absl::string_view directory,
                                             std::vector<IgnoreRule> rules) const {
  IgnoreWalk walk = *this;
  for (size_t i = 0; i < walk.matched_.size(); ++i) {
    if (!walk.matched_[i]) walk.matched_[i] = level_->rules[i].pattern.Matches(directory);
  }
  if (rules.empty()) return walk;
  auto level = std::make_shared<Level>();
  level->above = level_;
  level->prefix_bytes = directory.empty() ? 0 : directory.size() + 1;
  level->rule_count = (level_ == nullptr ? 0 : level_->rule_count) + rules.size();
  level->rules = std::move(rules);
  if (level->rule_count > kMaxIgnoreRules) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", kMaxIgnoreRules, " ignore rules apply"));
  }
  if (syntax_ == IgnoreSyntax::kDocker) walk.matched_.resize(level->rules.size());
  walk.level_ = std::move(level);
  return walk;
}

IgnoreWalk::Decision IgnoreWalk::Decide(absl::string_view path, bool is_directory) const {
  if (level_ == nullptr) return Decision::kKeep;
  return syntax_ == IgnoreSyntax::kGit ? DecideByGit(path, is_directory)
                                       : DecideByDocker(path, is_directory);
}

// The last rule that matches decides, those of deeper files before those above.
IgnoreWalk::Decision IgnoreWalk::DecideByGit(absl::string_view path, bool is_directory) const {
  const absl::string_view name = path.substr(path.rfind('/') + 1);
  for (const Level* level = level_.get(); level != nullptr; level = level->above.get()) {
    for (auto rule = level->rules.rbegin(); rule != level->rules.rend(); ++rule) {
      if (rule->directories_only && !is_directory) continue;
      const absl::string_view subject = rule->names_only ? name : path.substr(level->prefix_bytes);
      if (!rule->pattern.Matches(subject)) continue;
      return rule->negated ? Decision::kKeep : Decision::kLeaveOut;
    }
  }
  return Decision::kKeep;
}

// Rules are about all that is below what they match, the last one that does decides.
IgnoreWalk::Decision IgnoreWalk::DecideByDocker(absl::string_view path, bool is_directory) const {
  const std::vector<IgnoreRule>& rules = level_->rules;  // All are of the root's file.
  bool ignored = false;
  size_t decided_by = 0;
  for (size_t i = 0; i < rules.size(); ++i) {
    if (!matched_[i] && !rules[i].pattern.Matches(path)) continue;
    ignored = !rules[i].negated;
    decided_by = i;
  }
  if (!ignored) return Decision::kKeep;
  for (size_t i = decided_by + 1; is_directory && i < rules.size(); ++i) {
    if (rules[i].negated && rules[i].pattern.CouldMatchBelow(path)) {
      return Decision::kOnlyWhatsBelow;
    }
  }
  return Decision::kLeaveOut;
}

}  // namespace rally::blob
