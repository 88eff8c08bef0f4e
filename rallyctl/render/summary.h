#ifndef RALLY_RALLYCTL_RENDER_SUMMARY_H_
#define RALLY_RALLYCTL_RENDER_SUMMARY_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "rally/v1/build.pb.h"

namespace rally::rallyctl {

struct FailedStepLog {
  int step = 0;  // in the order of the file
  std::vector<std::string> last_lines;
  bool log_is_longer = false;
};

// What stands at the end of an attached build: where the time went, warnings, what failed and the
// last that it said, and the result. Without `with_table` only what failed and the result.
std::string RenderSummary(const v1::Build& build, const std::vector<FailedStepLog>& failed,
                          absl::Time now, bool with_table, bool colour);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_RENDER_SUMMARY_H_
