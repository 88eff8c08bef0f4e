#ifndef RALLY_COMMON_RPC_CHANNEL_H_
#define RALLY_COMMON_RPC_CHANNEL_H_

#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// How Rally's processes reach each other: TCP or unix socket, mutual TLS or (only where nobody else
// can listen) plaintext, and the keepalive settings that both ends must agree on.
namespace rally::rpc {

// PEM files. Both sides show a certificate, and both check the other's against `ca`.
struct TlsFiles {
  std::string certificate;
  std::string key;
  std::string ca;
};

struct Security {
  bool insecure = false;  // Plaintext; allowed on loopback and unix sockets only.
  TlsFiles tls;           // All three or none.
};

// OK when `address` ("host:port", "[v6]:port" or "unix:PATH") is well formed. Port 0 is well
// formed: a server may listen there. kInvalidArgument otherwise, with what was expected.
absl::Status CheckAddress(absl::string_view address);

// A unix socket, 127.0.0.0/8, ::1 or localhost. Names are not resolved.
bool IsLocalAddress(absl::string_view address);

// Whether `security` may be used for `address`. The message names the flags to give.
absl::Status CheckSecurity(const Security& security, absl::string_view address);

enum class Connection {
  kShared,  // gRPC may use one connection for all such channels to an address.
  kOwn,     // A connection of its own, so that bulk data doesn't delay what else is said.
};

// Makes a channel; the connection is made by the first call on it. Reads the PEM files.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Dial(const std::string& address,
                                                    const Security& security,
                                                    Connection connection = Connection::kShared);

// The same for a server that is none of ours and has its own rules. With TLS it must be vouched for
// by `tls.ca`, or by the system's authorities if that is empty, and is shown a certificate only if
// there is one. Without it must be local: kInvalidArgument otherwise.
absl::StatusOr<std::shared_ptr<grpc::Channel>> DialForeign(const std::string& address, bool use_tls,
                                                           const TlsFiles& tls,
                                                           Connection connection);

// For ServerBuilder::AddListeningPort.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const Security& security, absl::string_view address);

// Keepalive, handshake and size limits that fit what Dial() sets.
void ConfigureServer(grpc::ServerBuilder* builder);

}  // namespace rally::rpc

#endif  // RALLY_COMMON_RPC_CHANNEL_H_
