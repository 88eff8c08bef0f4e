#include "common/blob/batch_update.h"

#include <cstring>
#include <utility>

#include "build/bazel/remote/execution/v2/remote_execution.pb.h"
#include "common/blob/digest_proto.h"

namespace rally::blob {
namespace {

using build::bazel::remote::execution::v2::BatchUpdateBlobsRequest;
using Request = BatchUpdateBlobsRequest::Request;

}  // namespace

BatchUpdate::BatchUpdate(std::string instance) : instance_(std::move(instance)) {
  if (!instance_.empty()) {
    unfinished_.AppendField(BatchUpdateBlobsRequest::kInstanceNameFieldNumber, instance_);
  }
}

char* BatchUpdate::Add(const Digest& digest) {
  const std::string name = ToProto(digest).SerializeAsString();
  const auto size = static_cast<size_t>(digest.size_bytes);
  unfinished_.BeginField(BatchUpdateBlobsRequest::kRequestsFieldNumber,
                         BatchMessage::SizeOfField(Request::kDigestFieldNumber, name.size()) +
                             BatchMessage::SizeOfField(Request::kDataFieldNumber, size));
  unfinished_.AppendField(Request::kDigestFieldNumber, name);
  unfinished_.BeginField(Request::kDataFieldNumber, size);
  char* const bytes = unfinished_.Extend(size);
  parts_.push_back({digest, absl::string_view(bytes, size)});
  return bytes;
}

const grpc::ByteBuffer& BatchUpdate::Message() {
  if (!message_.Valid()) message_ = unfinished_.Take();
  return message_;
}

void BatchUpdate::Keep(const std::vector<size_t>& numbers) {
  if (numbers.size() == parts_.size()) return;
  BatchUpdate rest(instance_);
  for (const size_t number : numbers) {
    const Part& part = parts_[number];
    memcpy(rest.Add(part.digest), part.bytes.data(), part.bytes.size());
  }
  message_ = rest.Message();
  parts_ = std::move(rest.parts_);
}

}  // namespace rally::blob
