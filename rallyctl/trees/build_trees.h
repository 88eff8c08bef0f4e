#ifndef RALLY_RALLYCTL_TREES_BUILD_TREES_H_
#define RALLY_RALLYCTL_TREES_BUILD_TREES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/blob/digest.h"
#include "rally/v1/build.pb.h"

// Which trees a build has. Pure functions of what the controller says about it.
namespace rally::rallyctl {

// The workspace before and after a step. Equal when it changed nothing.
struct StepTrees {
  blob::Digest input;
  blob::Digest output;
};

// Null when the build has no such step.
const v1::Step* FindStep(const v1::Build& build, const std::string& step_id);

// FailedPrecondition when the step has left no tree (yet).
absl::StatusOr<StepTrees> TreesOf(const v1::Step& step);

// InvalidArgument for what is no digest, FailedPrecondition when the build has no final workspace.
absl::StatusOr<blob::Digest> ContextOf(const v1::Build& build);
absl::StatusOr<blob::Digest> WorkspaceOf(const v1::Build& build);

// Positions of the steps, as the workspace is put together: each behind those that it waits for,
// else as in the file.
absl::StatusOr<std::vector<int>> StepOrder(const v1::Build& build);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_TREES_BUILD_TREES_H_
