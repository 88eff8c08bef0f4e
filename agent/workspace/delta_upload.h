#ifndef RALLY_AGENT_WORKSPACE_DELTA_UPLOAD_H_
#define RALLY_AGENT_WORKSPACE_DELTA_UPLOAD_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "agent/workspace/delta_capture.h"
#include "common/blob/blob_store.h"

namespace rally::workspace {

// Uploads what the store lacks of the delta, its files first, so that a directory that is there has
// its files. `upper` is open while it runs. Returns the bytes of the blobs that were uploaded.
absl::StatusOr<int64_t> UploadDelta(int upper, const CapturedDelta& delta, blob::BlobStore& store);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_DELTA_UPLOAD_H_
