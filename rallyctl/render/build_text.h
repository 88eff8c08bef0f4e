#ifndef RALLY_RALLYCTL_RENDER_BUILD_TEXT_H_
#define RALLY_RALLYCTL_RENDER_BUILD_TEXT_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "rally/v1/build.pb.h"

// A build as people read it.
namespace rally::rallyctl {

// How long the build took, or has taken until now.
absl::Duration Elapsed(const v1::Build& build, absl::Time now);
// What the phases of a step took together.
absl::Duration TotalOfPhases(const v1::PhaseTimes& phases);

// A line for each build, in the order given.
std::string RenderBuildList(const v1::ListBuildsResponse& builds, absl::Time now, bool colour);

// The page of `get`: status, times, trees, and each step with why it is in its state.
std::string RenderBuildPage(const v1::Build& build, absl::Time now, bool colour);

// Where each step's time went.
std::string RenderStepTable(const v1::Build& build, bool colour);

// "Build x failed in 2.1s: 1 of 3 steps failed", one line without a newline.
std::string RenderVerdict(const v1::Build& build, absl::Time now, bool colour);

// A failed step at the end of an attached build: what became of it, and its last lines again.
std::string RenderFailedStep(const v1::Step& step, const std::vector<std::string>& last_lines,
                             bool log_is_longer, const std::string& build_id, bool colour);

// A warning of a build, on a line of its own. What is said about a place in the pipeline
// ("FILE:LINE:COL: warning: ...") says that it is a warning already.
std::string WarningLine(absl::string_view warning, bool colour);

// How a step ended, for a person: "exit code 2", "killed by signal 9 (out of memory)", "" when it
// has no exit code.
std::string DescribeExit(const v1::Step& step);

// What a state change is announced with, after the step's id: "started on agent-1", "succeeded in
// 1.2s". Empty when the state isn't worth a line.
std::string DescribeChange(const v1::Step& step);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_RENDER_BUILD_TEXT_H_
