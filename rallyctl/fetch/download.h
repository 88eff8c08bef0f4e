#ifndef RALLY_RALLYCTL_FETCH_DOWNLOAD_H_
#define RALLY_RALLYCTL_FETCH_DOWNLOAD_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/blob/digest.h"
#include "rallyctl/commands/command.h"

namespace rally::rallyctl {

struct Download {
  blob::Digest tree;
  std::vector<std::string> paths;  // What of it; everything when empty.
  std::string to;                  // The folder; made when missing.
  bool replace = false;
  // Ctrl-C removes what came so far and ends the process. Otherwise the caller sees to it.
  bool ends_on_interrupt = false;
};

// Fetches files of a tree into a folder, all or (after an error) none of them, and says how it
// went. AlreadyExists when one is there already and `replace` is false.
absl::Status FetchInto(Invocation& invocation, Connection& connection, const Download& download);

// Streams one file of a tree to standard output. InvalidArgument when the path is no file. After
// another error a part of it may have been written.
absl::Status FetchToOutput(Invocation& invocation, Connection& connection, const blob::Digest& tree,
                           const std::string& path);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FETCH_DOWNLOAD_H_
