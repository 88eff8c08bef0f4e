#ifndef RALLY_AGENT_WORKSPACE_SMALL_FILE_H_
#define RALLY_AGENT_WORKSPACE_SMALL_FILE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rally::workspace {

// The store's own records: small text files whose last line is "end", so that one that a crash cut
// short shows. WriteSmallFile replaces a file as a whole, by a rename; it doesn't sync.
absl::Status WriteSmallFile(const std::string& path, absl::string_view text);

// NotFound when there is none, DataLoss when it isn't whole.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path);

// The names in a directory, sorted, without those that begin with '.'. NotFound when there is none.
absl::StatusOr<std::vector<std::string>> NamesIn(const std::string& directory);

// Whether a directory has no entries, whatever their names.
absl::StatusOr<bool> IsEmptyDirectory(const std::string& directory);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_SMALL_FILE_H_
