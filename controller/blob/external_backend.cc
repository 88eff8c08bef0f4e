#include "controller/blob/external_backend.h"

#include <utility>

namespace rally::cas {
namespace {

Upstream::Options UpstreamOptionsFor(const blob::BlobEndpoint& endpoint) {
  Upstream::Options options;
  const blob::CasClient::Options client = blob::ClientOptionsFor(endpoint);
  options.instance = client.instance;
  options.name = client.name;
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ExternalBackend>> ExternalBackend::Open(
    const blob::BlobEndpoint& endpoint, const rpc::TlsFiles& tls, absl::Duration patience) {
  auto own = blob::DialBlobEndpoint(endpoint, tls);
  if (!own.ok()) return own.status();
  auto forwarding = blob::DialBlobEndpoint(endpoint, tls);
  if (!forwarding.ok()) return forwarding.status();
  auto backend =
      std::unique_ptr<ExternalBackend>(new ExternalBackend(endpoint, *std::move(own), *forwarding));
  if (absl::Status status = backend->client_.CheckServer(patience); !status.ok()) return status;
  return backend;
}

ExternalBackend::ExternalBackend(const blob::BlobEndpoint& endpoint,
                                 std::shared_ptr<grpc::Channel> own,
                                 const std::shared_ptr<grpc::Channel>& forwarding)
    : client_(std::move(own), blob::ClientOptionsFor(endpoint)),
      services_(forwarding, UpstreamOptionsFor(endpoint)) {}

}  // namespace rally::cas
