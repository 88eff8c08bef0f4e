#ifndef RALLY_RALLYCTL_RENDER_STATUS_BLOCK_H_
#define RALLY_RALLYCTL_RENDER_STATUS_BLOCK_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "rally/v1/build.pb.h"

namespace rally::rallyctl {

// What stands below the log lines on a terminal while a build runs: a line on the build, then a
// line for each step under way, at most `max_lines` together and each at most `width` wide.
std::vector<std::string> RenderStatusBlock(const v1::Build& build, absl::Time now, int width,
                                           int max_lines, bool colour);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_RENDER_STATUS_BLOCK_H_
