#include "controller/core/step_condition.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rally::core {
namespace {

constexpr size_t kCodesToShow = 8;

std::string List(const std::vector<int>& codes) {
  if (codes.size() <= kCodesToShow) return absl::StrJoin(codes, ", ");
  return absl::StrCat(absl::StrJoin(codes.begin(), codes.begin() + kCodesToShow, ", "), " and ",
                      codes.size() - kCodesToShow, " more");
}

}  // namespace

bool ResultSet::ContainsAny(const std::vector<int>& codes) const {
  return std::any_of(codes.begin(), codes.end(), [this](int code) { return Contains(code); });
}

std::string ResultSet::ToString() const {
  std::vector<int> codes;
  for (int code = 0; code < static_cast<int>(codes_.size()); ++code) {
    if (codes_.test(code)) codes.push_back(code);
  }
  return codes.empty() ? "none" : List(codes);
}

bool HasCondition(const StepDefinition& step) {
  return !step.dependencies.empty() && (!step.exited_with.empty() || !step.exited_without.empty());
}

bool Runs(const StepDefinition& step, const ResultSet& seen) {
  if (!HasCondition(step)) return seen.OnlySuccess();
  if (!step.exited_with.empty() && !seen.ContainsAny(step.exited_with)) return false;
  return !seen.ContainsAny(step.exited_without);
}

bool RunsBecauseOf(const StepDefinition& step, int code) {
  if (code == 0) return false;
  const std::vector<int>& with = step.exited_with;
  // With exitedWithout alone, the code is one of those that the step wants to run after although
  // they are failures.
  return with.empty() || std::find(with.begin(), with.end(), code) != with.end();
}

std::string DescribeUnmetCondition(const StepDefinition& step, const ResultSet& seen) {
  if (!step.exited_with.empty() && !seen.ContainsAny(step.exited_with)) {
    return absl::StrCat("no step before it exited with ", List(step.exited_with),
                        " (exitedWith); codes seen: ", seen.ToString());
  }
  std::vector<int> unwanted;
  for (int code : step.exited_without) {
    if (seen.Contains(code)) unwanted.push_back(code);
  }
  return absl::StrCat("a step before it exited with ", List(unwanted),
                      " (exitedWithout); codes seen: ", seen.ToString());
}

}  // namespace rally::core
