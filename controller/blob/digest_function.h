#ifndef RALLY_CONTROLLER_BLOB_DIGEST_FUNCTION_H_
#define RALLY_CONTROLLER_BLOB_DIGEST_FUNCTION_H_

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace rally::cas {

// The hash functions whose digests can name blobs here.
enum class DigestFunction {
  kSha256,
};

// The number of the field `digest_function` in each request. The distribution's API file is older
// than these fields, so that they arrive as unknown ones.
enum class DigestFunctionField {
  kFindMissingBlobs = 3,
  kBatchReadBlobs = 4,
  kBatchUpdateBlobs = 5,
  kGetTree = 5,
  kGetActionResult = 6,
  kUpdateActionResult = 5,
};

// The function that the request's digests are of: SHA-256 if it doesn't say. InvalidArgument for
// all others: their digests may look alike, and must not be taken for the wrong blobs' names.
absl::StatusOr<DigestFunction> RequestedDigestFunction(const google::protobuf::Message& request,
                                                       DigestFunctionField field);

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_DIGEST_FUNCTION_H_
