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
  // The final workspace has something else there, which an earlier one made, or no step.
  bool overruled = false;
};

// Whose doing it is what is at a path, or that nothing is.
enum class PathMaker {
  kStep,     // the last that isn't overruled
  kContext,  // no step, or none whose change lasted
  kAbove,    // who put a file or symlink in the place of a folder above
  kJoin,     // no step alone: those that don't wait for each other were joined so
};

struct PathHistory {
  bool in_context = false;
  blob::DeltaEntry context;  // As if the context had added it.
  // In the order in which the workspace is put together.
  std::vector<PathWrite> writes;
  // Of a build with a final workspace: as it is there. Else as the last write left it, or will.
  bool exists = false;
  PathMaker maker = PathMaker::kContext;
  blob::DeltaEntry joined;  // For kJoin, when it exists: as if the join had added it.
  std::string above;        // For kAbove: that path.

  // Null unless the maker is a step.
  const PathWrite* LastingWrite() const;
};

// Who wrote a path of the workspace, among the steps that have ended, and which of that lasted. Of
// a folder: who made or removed it, not who changed what is in it. Reads the directories on the way
// to the path only, those of all steps together level by level; none for steps that changed
// nothing. InvalidArgument for a path that isn't one in a workspace.
absl::StatusOr<PathHistory> FindPathHistory(blob::DirectoryReader& reader, const v1::Build& build,
                                            const std::string& path);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_TREES_PATH_HISTORY_H_
