#ifndef RALLY_RALLYCTL_TREES_PATH_HISTORY_H_
#define RALLY_RALLYCTL_TREES_PATH_HISTORY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/blob/delta.h"
#include "common/blob/directory_reader.h"
#include "rally/v1/build.pb.h"

namespace rally::rallyctl {

// One step that wrote a path, and what it did to it.
struct PathWrite {
  int step;  // Position in the build.
  blob::DeltaEntry change;
};

struct PathHistory {
  bool in_context = false;
  blob::DeltaEntry context;  // As if the context had added it.
  // In the order in which the workspace is put together: the last one is who made what is there.
  std::vector<PathWrite> writes;
};

// Who wrote a path of the workspace, among the steps that have ended. Of a folder: who made or
// removed it, not who changed what is in it. Reads the directories on the way to the path only,
// those of all steps together level by level; none for steps that changed nothing.
// InvalidArgument for a path that isn't one in a workspace.
absl::StatusOr<PathHistory> FindPathHistory(blob::DirectoryReader& reader, const v1::Build& build,
                                            const std::string& path);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_TREES_PATH_HISTORY_H_
