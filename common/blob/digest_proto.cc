#include "common/blob/digest_proto.h"

namespace rally::blob {

build::bazel::remote::execution::v2::Digest ToProto(const Digest& digest) {
  build::bazel::remote::execution::v2::Digest proto;
  proto.set_hash(digest.hash);
  proto.set_size_bytes(digest.size_bytes);
  return proto;
}

absl::StatusOr<Digest> FromProto(const build::bazel::remote::execution::v2::Digest& proto) {
  return MakeDigest(proto.hash(), proto.size_bytes());
}

}  // namespace rally::blob
