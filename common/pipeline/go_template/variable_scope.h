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
  VariableScope() : names_{"$"}, blocks_{0} {}

  // The slot of the innermost variable of that name (with its $).
  std::optional<uint32_t> Find(absl::string_view name) const {
    const auto found = std::find(names_.rbegin(), names_.rend(), name);
    if (found == names_.rend()) return std::nullopt;
    return static_cast<uint32_t>(names_.rend() - found - 1);
  }

  // Takes the slot of an earlier one of that name in the same block, which nobody can mean any
  // more.
  uint32_t Declare(absl::string_view name) {
    const auto block = names_.begin() + blocks_.back();
    const auto found = std::find(block, names_.end(), name);
    const auto slot = static_cast<uint32_t>(found - names_.begin());
    if (found == names_.end()) names_.push_back(name);
    return slot;
  }

  void OpenBlock() { blocks_.push_back(names_.size()); }
  // Forgets the variables of the innermost block.
  void CloseBlock() {
    names_.resize(blocks_.back());
    blocks_.pop_back();
  }

  size_t size() const { return names_.size(); }
  const std::vector<absl::string_view>& names() const { return names_; }

 private:
  std::vector<absl::string_view> names_;
  std::vector<size_t> blocks_;  // Where each open block begins in names_.
};

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_VARIABLE_SCOPE_H_
