#include "common/blob/blob_endpoint.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/blob/instance_name.h"

namespace rally::blob {
namespace {

constexpr absl::string_view kForm = "grpc[s]://HOST:PORT[/INSTANCE] or unix:PATH";

absl::Status Refuse(absl::string_view url, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("--blob-endpoint is \"", url, "\": ", why));
}

bool IsVisible(absl::string_view text) {
  for (char c : text) {
    if (!absl::ascii_isgraph(c)) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<BlobEndpoint> ParseBlobEndpoint(absl::string_view url) {
  BlobEndpoint endpoint;
  endpoint.url = std::string(url);
  if (!IsVisible(url)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--blob-endpoint has blanks or other characters that no URL has; write ", kForm));
  }
  absl::string_view rest = url;
  if (absl::StartsWith(rest, "unix:")) {
    endpoint.address = std::string(rest);
    absl::Status valid = rpc::CheckAddress(endpoint.address);
    if (!valid.ok()) return Refuse(url, valid.message());
    return endpoint;
  }
  endpoint.use_tls = absl::ConsumePrefix(&rest, "grpcs://");
  if (!endpoint.use_tls && !absl::ConsumePrefix(&rest, "grpc://")) {
    return Refuse(url, absl::StrCat("write ", kForm));
  }
  const size_t slash = rest.find('/');
  endpoint.address = std::string(rest.substr(0, slash));
  if (absl::StrContains(endpoint.address, '@')) {
    // Not repeated: what stands there may be a password.
    return absl::InvalidArgumentError(absl::StrCat(
        "--blob-endpoint can't hold a user or a password; write ", kForm,
        ", and give a certificate with --tls-cert and --tls-key if the store wants one"));
  }
  if (absl::Status valid = rpc::CheckAddress(endpoint.address); !valid.ok()) {
    return Refuse(url, absl::StrCat(valid.message(), "; write ", kForm));
  }
  if (absl::EndsWith(endpoint.address, ":0")) {
    return Refuse(url, "port 0 is nobody's; give the store's port");
  }
  if (slash != absl::string_view::npos) {
    endpoint.instance = std::string(rest.substr(slash + 1));
    // A slash alone is how URLs of hosts are often written.
    if (absl::Status valid = CheckInstanceName(endpoint.instance); !valid.ok()) {
      return Refuse(url, valid.message());
    }
  }
  if (!endpoint.use_tls && !rpc::IsLocalAddress(endpoint.address)) {
    return Refuse(url,
                  "plaintext is allowed only to loopback addresses and unix sockets; use grpcs://");
  }
  return endpoint;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> DialBlobEndpoint(const BlobEndpoint& endpoint,
                                                                const rpc::TlsFiles& tls) {
  auto channel = rpc::DialForeign(endpoint.address, endpoint.use_tls, tls, rpc::Connection::kOwn);
  if (channel.ok()) return channel;
  return absl::Status(channel.status().code(), absl::StrCat("--blob-endpoint ", endpoint.url, ": ",
                                                            channel.status().message()));
}

CasClient::Options ClientOptionsFor(const BlobEndpoint& endpoint) {
  CasClient::Options options;
  options.instance = endpoint.instance;
  options.name = absl::StrCat("the blob store ", endpoint.url);
  return options;
}

}  // namespace rally::blob
