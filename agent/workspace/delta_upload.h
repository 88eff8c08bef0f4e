#ifndef RALLY_AGENT_WORKSPACE_DELTA_UPLOAD_H_
#define RALLY_AGENT_WORKSPACE_DELTA_UPLOAD_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "agent/workspace/delta_capture.h"
#include "common/blob/blob_store.h"
#include "common/blob/digest.h"
#include "common/blob/directory_reader.h"

namespace rally::workspace {

// Entries that differ between the input tree and the captured one.
struct DeltaCounts {
  int64_t added = 0;
  int64_t changed = 0;
  int64_t removed = 0;
};

// `reader` knows the input tree; the captured directories need not be stored anywhere yet. The
// cost is what changed. Errors: the reader's.
absl::StatusOr<DeltaCounts> CountChanges(const CapturedDelta& delta, const blob::Digest& input_root,
                                         blob::DirectoryReader& reader);

// Uploads what the store lacks of the delta, its files first, so that a directory that is there has
// its files. `upper` is open while it runs. Returns the bytes of the blobs that were uploaded.
absl::StatusOr<int64_t> UploadDelta(int upper, const CapturedDelta& delta, blob::BlobStore& store);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_DELTA_UPLOAD_H_
