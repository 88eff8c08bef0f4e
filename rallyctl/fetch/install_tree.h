#ifndef RALLY_RALLYCTL_FETCH_INSTALL_TREE_H_
#define RALLY_RALLYCTL_FETCH_INSTALL_TREE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/blob/digest.h"
#include "common/blob/directory_reader.h"

namespace rally::rallyctl {

// Moves everything in the folder `from` into the folder `to`, on the same file system. Folders that
// both have are merged; nothing is followed through a symlink.
// AlreadyExists, before anything was moved, when `to` has something else in an entry's place and
// `replace` is false; a folder is never replaced by something that isn't one.
absl::Status InstallTree(int from, int to, bool replace);

// What InstallTree would say of a tree that isn't here yet, and which LoadTree has checked. Reads
// only folders that are on both sides.
absl::Status CheckInstall(blob::DirectoryReader& tree, const blob::Digest& root, int to,
                          bool replace);

// What is in an open folder, in no order.
absl::StatusOr<std::vector<std::string>> NamesIn(int folder);

// Removes the entry and everything below it, never through a symlink. Absent is fine.
absl::Status RemoveTree(int parent, const char* name);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FETCH_INSTALL_TREE_H_
