#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_VARIABLE_SCOPE_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_VARIABLE_SCOPE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"

namespace rally::go_template {

// The variables that are visible where a parser is. A variable's slot is its place among them, so
// that blocks beside each other share slots.
class VariableScope {
 public:
  VariableScope() : names_{"$"} {}

  // The slot of the innermost variable of that name (with its $).
  std::optional<uint32_t> Find(absl::string_view name) const {
    const auto found = std::find(names_.rbegin(), names_.rend(), name);
    if (found == names_.rend()) return std::nullopt;
    return static_cast<uint32_t>(names_.rend() - found - 1);
  }

  uint32_t Declare(absl::string_view name) {
    names_.push_back(name);
    return static_cast<uint32_t>(names_.size() - 1);
  }

  size_t size() const { return names_.size(); }
  // Forgets those of an inner block, when it ends: all but the first `size`.
  void Shrink(size_t size) { names_.resize(size); }

  const std::vector<absl::string_view>& names() const { return names_; }

 private:
  std::vector<absl::string_view> names_;
};

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_VARIABLE_SCOPE_H_
