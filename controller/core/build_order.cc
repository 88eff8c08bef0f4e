#include "controller/core/build_order.h"

#include <functional>
#include <queue>

#include "absl/strings/str_cat.h"

namespace rally::core {

absl::StatusOr<std::vector<int>> OrderSteps(const std::vector<StepDefinition>& steps) {
  const int count = static_cast<int>(steps.size());
  std::vector<std::vector<int>> dependents(count);
  std::vector<int> missing(count, 0);
  for (int step = 0; step < count; ++step) {
    for (int dependency : steps[step].dependencies) {
      if (dependency < 0 || dependency >= count) {
        return absl::InvalidArgumentError(
            absl::StrCat("step \"", steps[step].spec.id, "\" waits for number ", dependency,
                         ", which is not a step (there are ", count, ")"));
      }
      dependents[dependency].push_back(step);
      ++missing[step];
    }
  }
  std::priority_queue<int, std::vector<int>, std::greater<int>> ready;
  for (int step = 0; step < count; ++step) {
    if (missing[step] == 0) ready.push(step);
  }
  std::vector<int> order;
  order.reserve(count);
  while (!ready.empty()) {
    const int step = ready.top();
    ready.pop();
    order.push_back(step);
    for (int dependent : dependents[step]) {
      if (--missing[dependent] == 0) ready.push(dependent);
    }
  }
  if (static_cast<int>(order.size()) != count) {
    return absl::InvalidArgumentError("steps wait for each other in a cycle");
  }
  return order;
}

}  // namespace rally::core
