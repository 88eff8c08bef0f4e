#ifndef RALLY_RALLYCTL_RENDER_UNSEEN_STEPS_H_
#define RALLY_RALLYCTL_RENDER_UNSEEN_STEPS_H_

#include <string>
#include <vector>

#include "rally/v1/build.pb.h"

namespace rally::rallyctl {

// The steps before `step` in the file that changed files which it did not see, because it doesn't
// depend on them: what is missing when a step fails may be there. Linear in steps and edges.
std::vector<std::string> StepsNotSeenBy(const v1::Build& build, int step);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_RENDER_UNSEEN_STEPS_H_
