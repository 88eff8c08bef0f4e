#include "controller/blob/forward/upstream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace rally::cas {

namespace reapi = build::bazel::remote::execution::v2;

Upstream::Upstream(const std::shared_ptr<grpc::Channel>& channel, Options options)
    : options_(std::move(options)),
      cas_(reapi::ContentAddressableStorage::NewStub(channel)),
      capabilities_(reapi::Capabilities::NewStub(channel)),
      byte_stream_(google::bytestream::ByteStream::NewStub(channel)),
      calls_(options_.max_calls),
      streams_(options_.max_streams),
      idle_watch_(options_.idle, {&streams_}) {}

void Upstream::SetDeadline(const grpc::CallbackServerContext& server, absl::Duration bound,
                           grpc::ClientContext* client) const {
  client->set_deadline(std::min(server.deadline(), absl::ToChronoTime(absl::Now() + bound)));
}

absl::Duration Upstream::StreamBound(int64_t size_bytes) const {
  return options_.call_deadline +
         options_.deadline_per_mib * (static_cast<double>(size_bytes) / (1024 * 1024));
}

grpc::Status Upstream::Explain(const grpc::Status& status) const {
  if (status.ok()) return status;
  return grpc::Status(
      status.error_code(),
      absl::StrCat(options_.name, ": ",
                   status.error_message().empty() ? "no reason given" : status.error_message()));
}

grpc::Status Upstream::TooBusy() const {
  return grpc::Status(grpc::StatusCode::UNAVAILABLE, absl::StrCat("too many calls on their way to ",
                                                                  options_.name, "; try again"));
}

}  // namespace rally::cas
