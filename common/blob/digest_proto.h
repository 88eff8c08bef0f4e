#ifndef RALLY_COMMON_BLOB_DIGEST_PROTO_H_
#define RALLY_COMMON_BLOB_DIGEST_PROTO_H_

#include "absl/status/statusor.h"
#include "build/bazel/remote/execution/v2/remote_execution.pb.h"
#include "common/blob/digest.h"

namespace rally::blob {

build::bazel::remote::execution::v2::Digest ToProto(const Digest& digest);

// InvalidArgument unless hash and size are well-formed.
absl::StatusOr<Digest> FromProto(const build::bazel::remote::execution::v2::Digest& proto);

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_DIGEST_PROTO_H_
