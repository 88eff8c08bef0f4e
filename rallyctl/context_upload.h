#ifndef RALLY_RALLYCTL_CONTEXT_UPLOAD_H_
#define RALLY_RALLYCTL_CONTEXT_UPLOAD_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/blob/blob_store.h"
#include "common/blob/capture_directory.h"
#include "rallyctl/commands/command.h"

namespace rally::rallyctl {

struct ContextOptions {
  bool no_ignore = false;
  bool no_git = false;
};

// Reads the context, says what is odd about it, and shows how far it is: a line that is redrawn on
// a terminal, events with --progress=json.
absl::StatusOr<blob::CapturedTree> ReadContext(Invocation& invocation, const std::string& context,
                                               const ContextOptions& options);

// Uploads what the store lacks and says how much that was. With kKnownDirectories Submit has to
// notice what the store has lost.
absl::Status UploadContext(Invocation& invocation, blob::BlobStore& store,
                           const blob::CapturedTree& tree, blob::UploadTrust trust);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_CONTEXT_UPLOAD_H_
