#ifndef RALLY_CONTROLLER_CORE_INPUT_PLAN_H_
#define RALLY_CONTROLLER_CORE_INPUT_PLAN_H_

#include <vector>

#include "controller/core/build.h"
#include "controller/core/command.h"

namespace rally::core {

// How the tree is made that holds the context and all that a set of finished steps and their
// ancestors wrote. Without deltas the tree is `base` itself.
struct InputPlan {
  Digest base;
  std::vector<StepTrees> deltas;         // in Build.order
  std::vector<std::vector<int>> before;  // as in JoinTrees
};

// Plans the tree that a step with these dependencies sees; for the final workspace, these are the
// steps that nothing depends on. All of them must have ended; one that runs again counts as it had
// ended. `rank` is the place of each step in build.order.
//
// The cost is that of the part of the graph above the last step that all paths come through, so a
// chain costs nothing. The base is then that step's tree instead of the context: what it holds is
// ordered before everything else.
InputPlan PlanInput(const Build& build, const std::vector<int>& rank,
                    const std::vector<int>& dependencies);

}  // namespace rally::core

#endif  // RALLY_CONTROLLER_CORE_INPUT_PLAN_H_
