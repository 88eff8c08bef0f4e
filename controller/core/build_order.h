#ifndef RALLY_CONTROLLER_CORE_BUILD_ORDER_H_
#define RALLY_CONTROLLER_CORE_BUILD_ORDER_H_

#include <vector>

#include "absl/status/statusor.h"
#include "controller/core/event.h"

namespace rally::core {

// The order of a build's steps: dependencies first, ties by the order of the file. Needs
// O((steps + edges) log steps). InvalidArgument when a dependency isn't a step or steps wait for
// each other; the parser refuses both, so this is a programmer's mistake.
absl::StatusOr<std::vector<int>> OrderSteps(const std::vector<StepDefinition>& steps);

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_BUILD_ORDER_H_
