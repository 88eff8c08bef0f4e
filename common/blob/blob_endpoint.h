#ifndef RALLY_COMMON_BLOB_BLOB_ENDPOINT_H_
#define RALLY_COMMON_BLOB_BLOB_ENDPOINT_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/blob/cas_client.h"
#include "common/rpc/channel.h"
#include "grpcpp/channel.h"

// A store of the Remote Execution API that isn't the controller's, as --blob-endpoint names it.
namespace rally::blob {

struct BlobEndpoint {
  std::string url;  // As it was given; no secret can be part of it.
  bool use_tls = false;
  std::string address;   // As gRPC takes it.
  std::string instance;  // Which part of the store; may be empty, and may contain '/'.
};

// grpc[s]://HOST:PORT[/INSTANCE] or unix:PATH. InvalidArgument, naming the flag, for what is
// malformed, and for plaintext to anywhere but loopback. Resolves no name.
absl::StatusOr<BlobEndpoint> ParseBlobEndpoint(absl::string_view url);

// A channel for blobs alone; the connection is made by the first call. Reads the PEM files of
// `tls` that are given. As rpc::DialForeign says who is trusted.
absl::StatusOr<std::shared_ptr<grpc::Channel>> DialBlobEndpoint(const BlobEndpoint& endpoint,
                                                                const rpc::TlsFiles& tls);

// What makes a CasClient speak to this endpoint, and name it.
CasClient::Options ClientOptionsFor(const BlobEndpoint& endpoint);

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_BLOB_ENDPOINT_H_
