#include "common/pipeline/exit_conditions.h"

#include <algorithm>
#include <bitset>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/quote.h"

namespace rally::pipeline {
namespace {

constexpr int kCodes = 256;

std::optional<std::vector<int>> ReadCodes(Key key, const CheckedTable& keys,
                                          DiagnosticList* diagnostics) {
  const TomlValue* list = keys.FindPartly(key);
  if (list == nullptr) return std::nullopt;
  const absl::string_view name = SpecOf(key).name;
  if (list->elements().empty()) {
    diagnostics->Error(list->position, absl::StrCat(name, " is empty"));
    return std::nullopt;
  }
  std::bitset<kCodes> codes;
  bool good = !keys.WasRefused(key);
  for (const TomlValue& element : list->elements()) {
    if (IsRefused(element)) continue;
    if (element.integer() >= 0 && element.integer() < kCodes) {
      codes.set(static_cast<size_t>(element.integer()));
      continue;
    }
    good = false;
    diagnostics->Error(element.position,
                       absl::StrCat(name, ": ", element.integer(), " is not an exit code (0-255)"));
  }
  if (!good) return std::nullopt;
  std::vector<int> sorted;
  sorted.reserve(codes.count());
  for (int code = 0; code < kCodes; ++code) {
    if (codes.test(static_cast<size_t>(code))) sorted.push_back(code);
  }
  return sorted;
}

}  // namespace

void ReadExitConditions(const CheckedTable& keys, Step* step, DiagnosticList* diagnostics) {
  step->exited_with = ReadCodes(Key::kExitedWith, keys, diagnostics);
  step->exited_without = ReadCodes(Key::kExitedWithout, keys, diagnostics);
}

void CheckExitConditions(const CheckedTable& keys, const Step& step, DiagnosticList* diagnostics) {
  const bool waits = !step.dependencies.empty() || keys.WasRefused(Key::kWhenAll);
  if (waits && step.exited_with.has_value() && step.exited_without.has_value() &&
      std::includes(step.exited_without->begin(), step.exited_without->end(),
                    step.exited_with->begin(), step.exited_with->end())) {
    diagnostics->Error(keys.Find(Key::kExitedWithout)->position,
                       absl::StrCat("step ", Quote(step.id),
                                    " can never run: exitedWithout covers all of exitedWith"));
  }
  if (waits) return;
  for (const Key key : {Key::kExitedWith, Key::kExitedWithout}) {
    const bool is_set =
        key == Key::kExitedWith ? step.exited_with.has_value() : step.exited_without.has_value();
    if (!is_set) continue;
    diagnostics->Warning(
        keys.Find(key)->position,
        absl::StrCat(SpecOf(key).name, " is ignored: step ", Quote(step.id),
                     " waits for no other step, so there is no exit code to look at"));
  }
}

}  // namespace rally::pipeline
