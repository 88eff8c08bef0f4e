#ifndef RALLY_CONTROLLER_BLOB_RESULT_REFERENCES_H_
#define RALLY_CONTROLLER_BLOB_RESULT_REFERENCES_H_

#include <vector>

#include "absl/status/statusor.h"
#include "build/bazel/remote/execution/v2/remote_execution.pb.h"
#include "common/blob/digest.h"
#include "controller/blob/disk_store.h"

namespace rally::cas {

// The blobs that the store lacks of those that the result refers to: files, outputs of the
// process, and whole directories, be they given as a Tree or as the digest of a Directory. Each
// that is there counts as used. It reads trees, so a damaged one counts as missing.
// Blocking: on the disk. Errors: InvalidArgument for malformed digests and trees, for a Tree
// without a directory that it refers to, and for what is beyond what a tree may be.
absl::StatusOr<std::vector<blob::Digest>> FindMissingReferences(
    DiskStore& blobs, const build::bazel::remote::execution::v2::ActionResult& result);

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_RESULT_REFERENCES_H_
