#ifndef RALLY_COMMON_PIPELINE_WORKSPACE_PATH_H_
#define RALLY_COMMON_PIPELINE_WORKSPACE_PATH_H_

#include <string>

#include "absl/strings/string_view.h"

namespace rally::pipeline {

// The shortest path that means the same: no ".", no "//", ".." resolved by name. Absolute stays
// absolute, and ".." at "/" is dropped; a relative path that climbs keeps its leading ".."; what
// ends up nowhere is "". Symbolic links are not known here.
std::string CleanPath(absl::string_view path);

// Whether a path that CleanPath returned is relative and climbs out of where it starts.
bool LeavesItsStart(absl::string_view clean_path);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_WORKSPACE_PATH_H_
