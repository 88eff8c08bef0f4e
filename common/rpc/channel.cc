#include "common/rpc/channel.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace rally::rpc {
namespace {

constexpr int kKeepaliveMs = 10'000;
constexpr int kKeepaliveTimeoutMs = 5'000;
// Less than kKeepaliveMs, or the server ends the connection with "too many pings".
constexpr int kMinPingIntervalMs = 5'000;
constexpr int kHandshakeTimeoutMs = 5'000;
constexpr int kMaxIdleMs = 60'000;
constexpr int kMinReconnectMs = 100;
// A server that was restarted is to be found within a second.
constexpr int kMaxReconnectMs = 1'000;
// Blob batches are the biggest messages: 4 MiB of data and what describes it.
constexpr int kMaxMessageBytes = 8 << 20;
// By default 16 KiB: each batch of blobs would come in a hundred frames, and most of its files in
// two pieces. Larger ones keep small messages of the same connection waiting.
constexpr int kMaxFrameBytes = 256 << 10;

struct HostPort {
  std::string host;
  int port = 0;
};

bool Split(absl::string_view address, HostPort* result) {
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return false;
  absl::string_view host = address.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) {
    if (!absl::ConsumeSuffix(&host, "]")) return false;
  } else if (absl::StrContains(host, ':')) {
    return false;
  }
  result->host = std::string(host);
  return !host.empty() && absl::SimpleAtoi(address.substr(colon + 1), &result->port) &&
         result->port >= 0 && result->port <= 65535;
}

// A synchronous call attends to the process's sockets only while it waits. Calls that fail at once,
// since the connection isn't there, never wait: with them alone a connection that is being made
// would lie until its timeout. So one thread attends always; it lives as long as the process.
void KeepAttendingToSockets() {
  static const bool started = [] {
    auto* queue = new grpc::CompletionQueue;
    std::thread([queue] {
      void* tag;
      bool ok;
      queue->Next(&tag, &ok);
    }).detach();
    return true;
  }();
  (void)started;
}

absl::StatusOr<std::string> ReadPem(const std::string& path, absl::string_view what) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || !absl::StrContains(text.str(), "-----BEGIN ")) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot use ", path, " as the TLS ", what,
                     file ? ": it holds no PEM block" : ": the file cannot be read",
                     "; check the path and its permissions"));
  }
  return text.str();
}

struct Pem {
  std::string certificate;
  std::string key;
  std::string ca;
};

absl::StatusOr<Pem> ReadAll(const TlsFiles& files) {
  auto certificate = ReadPem(files.certificate, "certificate (--tls-cert)");
  if (!certificate.ok()) return certificate.status();
  auto key = ReadPem(files.key, "key (--tls-key)");
  if (!key.ok()) return key.status();
  auto ca = ReadPem(files.ca, "certificate authority (--tls-ca)");
  if (!ca.ok()) return ca.status();
  return Pem{*std::move(certificate), *std::move(key), *std::move(ca)};
}

// What is empty gRPC replaces: the authorities by the system's, the certificate by none.
std::shared_ptr<grpc::ChannelCredentials> ClientCredentials(Pem pem) {
  grpc::SslCredentialsOptions options;
  options.pem_cert_chain = std::move(pem.certificate);
  options.pem_private_key = std::move(pem.key);
  options.pem_root_certs = std::move(pem.ca);
  return grpc::SslCredentials(options);
}

std::shared_ptr<grpc::Channel> Connect(const std::string& address,
                                       const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                                       Connection connection) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kMinReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kHandshakeTimeoutMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kMaxFrameBytes);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  if (connection == Connection::kOwn) {
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  }
  // A build host's proxy variables are for the steps' downloads, not for its own fleet.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  KeepAttendingToSockets();
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

}  // namespace

absl::Status CheckAddress(absl::string_view address) {
  absl::string_view path = address;
  if (absl::ConsumePrefix(&path, "unix:")) {
    if (path.empty() || path == "//") {
      return absl::InvalidArgumentError(
          absl::StrCat("address \"", address, "\" names no socket; write unix:PATH"));
    }
    // What sockaddr_un holds, with its terminating zero.
    constexpr size_t kMaxSocketPathBytes = 107;
    if (path.size() > kMaxSocketPathBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("socket path ", path, " is longer than the ", kMaxSocketPathBytes,
                       " bytes that Linux allows; use a shorter one"));
    }
    return absl::OkStatus();
  }
  HostPort parts;
  if (!Split(address, &parts)) {
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", address, "\" is neither host:port, [IPv6]:port nor unix:PATH"));
  }
  return absl::OkStatus();
}

bool IsLocalAddress(absl::string_view address) {
  if (absl::StartsWith(address, "unix:")) return true;
  HostPort parts;
  if (!Split(address, &parts)) return false;
  if (parts.host == "localhost" || parts.host == "::1") return true;
  // A name like 127.example.org must not pass for the loopback network.
  return absl::StartsWith(parts.host, "127.") &&
         parts.host.find_first_not_of("0123456789.") == std::string::npos;
}

absl::Status CheckSecurity(const Security& security, absl::string_view address) {
  if (absl::Status status = CheckAddress(address); !status.ok()) return status;
  const TlsFiles& tls = security.tls;
  const bool any = !tls.certificate.empty() || !tls.key.empty() || !tls.ca.empty();
  const bool all = !tls.certificate.empty() && !tls.key.empty() && !tls.ca.empty();
  if (security.insecure) {
    if (any) {
      return absl::InvalidArgumentError(
          "--insecure and --tls-cert, --tls-key or --tls-ca exclude each other");
    }
    if (!IsLocalAddress(address)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--insecure is refused for ", address,
          ": plaintext is allowed only on loopback addresses and unix sockets; give --tls-cert, "
          "--tls-key and --tls-ca"));
    }
    return absl::OkStatus();
  }
  if (!all) {
    return absl::InvalidArgumentError(absl::StrCat(
        any ? "TLS needs all of --tls-cert, --tls-key and --tls-ca"
            : absl::StrCat("no TLS files are given for ", address,
                           ": give --tls-cert, --tls-key and --tls-ca"),
        IsLocalAddress(address) ? " (or --insecure, which this local address allows)" : ""));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Dial(const std::string& address,
                                                    const Security& security,
                                                    Connection connection) {
  if (absl::Status status = CheckSecurity(security, address); !status.ok()) return status;
  if (security.insecure) return Connect(address, grpc::InsecureChannelCredentials(), connection);
  auto pem = ReadAll(security.tls);
  if (!pem.ok()) return pem.status();
  return Connect(address, ClientCredentials(*std::move(pem)), connection);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> DialForeign(const std::string& address, bool use_tls,
                                                           const TlsFiles& tls,
                                                           Connection connection) {
  if (absl::Status status = CheckAddress(address); !status.ok()) return status;
  if (!use_tls) {
    if (!IsLocalAddress(address)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "plaintext to ", address,
          " is refused: it is allowed only to loopback addresses and unix sockets; use TLS"));
    }
    return Connect(address, grpc::InsecureChannelCredentials(), connection);
  }
  Pem pem;
  if (!tls.ca.empty()) {
    auto ca = ReadPem(tls.ca, "certificate authority (--tls-ca)");
    if (!ca.ok()) return ca.status();
    pem.ca = *std::move(ca);
  }
  if (!tls.certificate.empty()) {
    auto all = ReadAll(tls);
    if (!all.ok()) return all.status();
    pem = *std::move(all);
  }
  return Connect(address, ClientCredentials(std::move(pem)), connection);
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const Security& security, absl::string_view address) {
  if (absl::Status status = CheckSecurity(security, address); !status.ok()) return status;
  if (security.insecure) return grpc::InsecureServerCredentials();
  auto pem = ReadAll(security.tls);
  if (!pem.ok()) return pem.status();
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = std::move(pem->ca);
  options.pem_key_cert_pairs.push_back({std::move(pem->key), std::move(pem->certificate)});
  return grpc::SslServerCredentials(options);
}

void ConfigureServer(grpc::ServerBuilder* builder) {
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              kMinPingIntervalMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kMaxIdleMs);
  builder->AddChannelArgument("grpc.server_handshake_timeout_ms", kHandshakeTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kMaxFrameBytes);
  builder->SetMaxReceiveMessageSize(kMaxMessageBytes);
}

}  // namespace rally::rpc
