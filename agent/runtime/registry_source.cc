#include "agent/runtime/registry_source.h"

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rally::runtime {
namespace {

constexpr int kParallelDownloads = 3;
constexpr int kTries = 4;
constexpr absl::Duration kFirstPause = absl::Milliseconds(250);
constexpr size_t kMaxTokenBytes = 1 << 20;

constexpr char kAccept[] =
    "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json";

bool IsLoopback(absl::string_view host) {
  if (absl::StartsWith(host, "[::1]")) return true;
  const absl::string_view name = host.substr(0, host.find(':'));
  return name == "localhost" || (absl::StartsWith(name, "127.") &&
                                 name.find_first_not_of("0123456789.") == absl::string_view::npos);
}

std::string PercentEncode(absl::string_view text) {
  std::string encoded;
  for (char c : text) {
    if (absl::ascii_isalnum(c) || absl::StrContains("-._~", c)) {
      encoded.push_back(c);
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::string HostOf(absl::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme != absl::string_view::npos) url.remove_prefix(scheme + 3);
  return std::string(url.substr(0, url.find_first_of("/?")));
}

// Of a request that `who` didn't answer. What this side made of an answer stays as it is.
absl::Status ExplainSilence(absl::string_view who, const absl::Status& status) {
  std::string text;
  if (HttpTransfer::IsUntrusted(status)) {
    text = absl::StrCat(who, " has a certificate that the agent's host doesn't accept: ",
                        status.message(), "; add the authority that signed it to the host's");
  } else if (absl::IsUnavailable(status)) {
    text = absl::StrCat(who, " can't be reached: ", status.message());
  } else {
    return status;
  }
  absl::Status explained(status.code(), text);
  status.ForEachPayload([&explained](absl::string_view url, const absl::Cord& payload) {
    explained.SetPayload(url, payload);
  });
  return explained;
}

}  // namespace

std::map<std::string, std::string> ParseChallenge(absl::string_view challenge) {
  std::map<std::string, std::string> parameters;
  const size_t space = challenge.find(' ');
  parameters[""] = absl::AsciiStrToLower(challenge.substr(0, space));
  if (space == absl::string_view::npos) return parameters;
  challenge.remove_prefix(space + 1);
  while (!challenge.empty()) {
    const size_t equals = challenge.find('=');
    if (equals == absl::string_view::npos) break;
    const std::string name =
        absl::AsciiStrToLower(absl::StripAsciiWhitespace(challenge.substr(0, equals)));
    challenge.remove_prefix(equals + 1);
    std::string value;
    if (absl::ConsumePrefix(&challenge, "\"")) {
      while (!challenge.empty() && challenge[0] != '"') {
        if (challenge[0] == '\\' && challenge.size() > 1) challenge.remove_prefix(1);
        value.push_back(challenge[0]);
        challenge.remove_prefix(1);
      }
      absl::ConsumePrefix(&challenge, "\"");
    } else {
      const size_t end = std::min(challenge.find(','), challenge.size());
      value = std::string(absl::StripAsciiWhitespace(challenge.substr(0, end)));
      challenge.remove_prefix(end);
    }
    parameters[name] = std::move(value);
    challenge = absl::StripLeadingAsciiWhitespace(challenge);
    absl::ConsumePrefix(&challenge, ",");
  }
  return parameters;
}

RegistrySource::RegistrySource(pipeline::ImageReference reference, const RegistryOptions& options,
                               PlainRegistries* plain)
    : reference_(std::move(reference)), plain_(plain) {
  absl::MutexLock lock(&mutex_);
  const auto add = [&](std::string scheme, std::string host, const std::string& name) {
    mutex_.AssertHeld();
    Endpoint endpoint;
    endpoint.scheme = std::move(scheme);
    endpoint.host = std::move(host);
    endpoint.is_loopback = IsLoopback(endpoint.host);
    const auto credentials = options.credentials.find(name);
    if (credentials != options.credentials.end()) endpoint.credentials = credentials->second;
    endpoints_.push_back(std::move(endpoint));
  };
  const auto mirror = options.mirrors.find(reference_.registry);
  if (mirror != options.mirrors.end()) {
    const std::string host = HostOf(mirror->second);
    const bool plain = absl::StartsWith(mirror->second, "http://") && IsLoopback(host);
    add(plain ? "http" : "https", host, host);
  }
  // Docker Hub's API has another name than its references.
  const std::string host =
      reference_.registry == "docker.io" ? "registry-1.docker.io" : reference_.registry;
  add(IsLoopback(host) ? "" : "https", host, reference_.registry);
}

absl::StatusOr<ManifestDocument> RegistrySource::ResolveTag(const CallLimits& limits) {
  return GetManifest(reference_.tag, limits);
}

absl::StatusOr<ManifestDocument> RegistrySource::ReadManifest(const std::string& digest,
                                                              const CallLimits& limits) {
  absl::StatusOr<ManifestDocument> document = GetManifest(digest, limits);
  if (document.ok() && Sha256Of(document->bytes) != digest) {
    return absl::DataLossError(absl::StrCat("the registry ", reference_.registry,
                                            " delivered a manifest with digest ",
                                            Sha256Of(document->bytes), " when asked for ", digest));
  }
  return document;
}

absl::StatusOr<ManifestDocument> RegistrySource::GetManifest(const std::string& reference,
                                                             const CallLimits& limits) {
  ManifestDocument document;
  const HttpBody append = [&document](int, absl::string_view bytes) {
    if (static_cast<int64_t>(document.bytes.size() + bytes.size()) > kMaxManifestBytes) {
      return absl::InvalidArgumentError("the manifest is larger than 4 MiB");
    }
    document.bytes.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  };
  absl::Duration pause = kFirstPause;
  for (int attempt = 1;; ++attempt) {
    document.bytes.clear();
    absl::StatusOr<HttpResponse> response =
        Get(absl::StrCat("/manifests/", reference), {kAccept}, append, limits);
    if (response.ok()) {
      document.media_type = response->content_type;
      const std::string& promised = response->docker_content_digest;
      if (IsSha256Digest(promised) && promised != Sha256Of(document.bytes)) {
        return absl::DataLossError(absl::StrCat("the registry ", reference_.registry,
                                                " announced digest ", promised, " and delivered ",
                                                Sha256Of(document.bytes)));
      }
      return document;
    }
    if (!absl::IsUnavailable(response.status()) || attempt == kTries) return response.status();
    Pause(pause, limits);
    pause *= 2;
  }
}

absl::Status RegistrySource::FetchBlobs(const std::vector<BlobDescriptor>& blobs,
                                        const BlobReceiver& receive, const CallLimits& limits) {
  std::atomic<size_t> next{0};
  absl::Mutex mutex;
  absl::Status first_failure;  // Guarded by mutex.
  std::atomic<bool> failed{false};
  const auto work = [&] {
    while (!failed) {
      const size_t i = next++;
      if (i >= blobs.size()) return;
      const absl::Status status =
          receive(blobs[i], [&](BlobWriter& writer) { return GetBlob(writer, limits); });
      if (status.ok()) continue;
      absl::MutexLock lock(&mutex);
      if (!failed) first_failure = status;
      failed = true;
    }
  };
  std::vector<std::thread> threads;
  const size_t parallel = std::min<size_t>(kParallelDownloads, blobs.size());
  for (size_t i = 1; i < parallel; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return first_failure;
}

absl::Status RegistrySource::GetBlob(BlobWriter& writer, const CallLimits& limits) {
  absl::Duration pause = kFirstPause;
  for (int attempt = 1;; ++attempt) {
    const int64_t before = writer.offset();
    const absl::Status status = GetBlobOnce(writer, limits);
    if (status.ok() || !absl::IsUnavailable(status)) return status;
    // Whatever moves on may go on; a registry that delivers nothing gets few tries.
    if (writer.offset() > before) {
      attempt = 1;
      pause = kFirstPause;
    }
    if (attempt == kTries) return status;
    Pause(pause, limits);
    pause *= 2;
  }
}

absl::Status RegistrySource::GetBlobOnce(BlobWriter& writer, const CallLimits& limits) {
  const int64_t have = writer.offset();
  std::vector<std::string> headers;
  if (have > 0) headers.push_back(absl::StrCat("Range: bytes=", have, "-"));
  int64_t to_skip = have;
  bool store_failed = false;
  const HttpBody append = [&](int code, absl::string_view bytes) {
    if (code == 200 && to_skip > 0) {  // The registry sends all of it again.
      const int64_t skipped = std::min<int64_t>(to_skip, bytes.size());
      bytes.remove_prefix(skipped);
      to_skip -= skipped;
    }
    absl::Status status = writer.Append(bytes);
    store_failed = !status.ok();
    return status;
  };
  absl::StatusOr<HttpResponse> response =
      Get(absl::StrCat("/blobs/", writer.blob().digest), headers, append, limits);
  if (!response.ok()) {
    // A store that doesn't answer is not cured by asking the registry again.
    if (store_failed && absl::IsUnavailable(response.status())) {
      return absl::Status(absl::StatusCode::kAborted, response.status().message());
    }
    return response.status();
  }
  if (writer.offset() < writer.blob().size_bytes) {
    return absl::UnavailableError(absl::StrCat("blob ", writer.blob().digest, " ended after ",
                                               writer.offset(), " of ", writer.blob().size_bytes,
                                               " bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<HttpResponse> RegistrySource::Get(const std::string& path,
                                                 const std::vector<std::string>& headers,
                                                 const HttpBody& body, const CallLimits& limits) {
  size_t count;
  {
    absl::MutexLock lock(&mutex_);
    count = endpoints_.size();
  }
  // A mirror that lacks the image, is down or isn't trusted is passed over.
  for (size_t endpoint = 0; endpoint + 1 < count; ++endpoint) {
    absl::StatusOr<HttpResponse> response = GetFrom(endpoint, path, headers, body, limits);
    if (response.ok()) return response;
    if (!absl::IsNotFound(response.status()) && !absl::IsUnavailable(response.status()) &&
        !absl::IsPermissionDenied(response.status()) &&
        !HttpTransfer::IsUntrusted(response.status())) {
      return response;
    }
  }
  return GetFrom(count - 1, path, headers, body, limits);
}

absl::StatusOr<HttpResponse> RegistrySource::GetFrom(size_t endpoint, const std::string& path,
                                                     const std::vector<std::string>& headers,
                                                     const HttpBody& body,
                                                     const CallLimits& limits) {
  absl::StatusOr<HttpResponse> response = Send(endpoint, path, headers, body, limits);
  if (response.ok() && response->code == 401) {
    absl::StatusOr<std::string> authorization = Authorize(endpoint, response->challenges, limits);
    if (!authorization.ok()) return authorization.status();
    {
      absl::MutexLock lock(&mutex_);
      authorizations_[endpoint] = *std::move(authorization);
    }
    response = Send(endpoint, path, headers, body, limits);
  }
  if (!response.ok()) return response;
  if (response->code == 200 || response->code == 206) return response;
  std::string host;
  {
    absl::MutexLock lock(&mutex_);
    host = endpoints_[endpoint].host;
  }
  return Explain(*response, host, path);
}

absl::StatusOr<HttpResponse> RegistrySource::Send(size_t index, const std::string& path,
                                                  const std::vector<std::string>& headers,
                                                  const HttpBody& body, const CallLimits& limits) {
  Endpoint endpoint;
  HttpRequest request;
  request.headers = headers;
  {
    absl::MutexLock lock(&mutex_);
    endpoint = endpoints_[index];
    const auto authorization = authorizations_.find(index);
    if (authorization != authorizations_.end()) {
      request.headers.push_back(absl::StrCat("Authorization: ", authorization->second));
    }
  }
  const auto send = [&](const std::string& scheme) {
    request.allow_plain = endpoint.is_loopback;
    request.url = absl::StrCat(scheme, "://", endpoint.host, "/v2/", reference_.repository, path);
    return http_.Get(request, body, limits);
  };
  if (endpoint.scheme.empty() && plain_ != nullptr && plain_->Contains(endpoint.host)) {
    absl::StatusOr<HttpResponse> response = send("http");
    if (response.ok()) return response;
    plain_->Remove(endpoint.host);
  }
  absl::StatusOr<HttpResponse> response = send(endpoint.scheme.empty() ? "https" : endpoint.scheme);
  if (endpoint.scheme.empty()) {
    const bool plain = HttpTransfer::IsTlsFailure(response.status());
    if (plain) response = send("http");
    if (response.ok()) {
      if (plain && plain_ != nullptr) plain_->Add(endpoint.host);
      absl::MutexLock lock(&mutex_);
      endpoints_[index].scheme = plain ? "http" : "https";
    }
  }
  if (!response.ok()) {
    return ExplainSilence(absl::StrCat("the registry ", endpoint.host), response.status());
  }
  return response;
}

absl::StatusOr<std::string> RegistrySource::Authorize(size_t index,
                                                      const std::vector<std::string>& challenges,
                                                      const CallLimits& limits) {
  Endpoint endpoint;
  {
    absl::MutexLock lock(&mutex_);
    endpoint = endpoints_[index];
  }
  std::map<std::string, std::string> challenge;
  for (const std::string& line : challenges) {
    std::map<std::string, std::string> parsed = ParseChallenge(line);
    if (parsed[""] == "bearer" || (parsed[""] == "basic" && challenge.empty())) {
      challenge = std::move(parsed);
    }
  }
  const RegistryCredentials& credentials = endpoint.credentials;
  if (challenge[""] == "basic" && !credentials.user.empty()) {
    return absl::StrCat(
        "Basic ", absl::Base64Escape(absl::StrCat(credentials.user, ":", credentials.password)));
  }
  if (challenge[""] != "bearer") {
    return absl::PermissionDeniedError(
        absl::StrCat("the registry ", endpoint.host, " wants a user and password for ",
                     reference_.repository, ", and none is configured for it on this agent"));
  }
  HttpRequest request;
  request.allow_plain = endpoint.is_loopback && IsLoopback(HostOf(challenge["realm"]));
  request.user = credentials.user;
  request.password = credentials.password;
  request.url =
      absl::StrCat(challenge["realm"], absl::StrContains(challenge["realm"], '?') ? "&" : "?",
                   "service=", PercentEncode(challenge["service"]));
  if (!challenge["scope"].empty()) {
    absl::StrAppend(&request.url, "&scope=", PercentEncode(challenge["scope"]));
  }
  std::string text;
  absl::StatusOr<HttpResponse> response = http_.Get(
      request,
      [&text](int, absl::string_view bytes) {
        if (text.size() + bytes.size() > kMaxTokenBytes) {
          return absl::InvalidArgumentError("the registry's token is larger than 1 MiB");
        }
        text.append(bytes.data(), bytes.size());
        return absl::OkStatus();
      },
      limits);
  const std::string realm = HostOf(challenge["realm"]);
  if (!response.ok()) {
    return ExplainSilence(
        absl::StrCat("the token server ", realm, " of the registry ", endpoint.host),
        response.status());
  }
  if (response->code != 200) return Explain(*response, realm, "");
  const auto answer = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  for (const char* name : {"token", "access_token"}) {
    if (answer.is_object() && answer.contains(name) && answer[name].is_string()) {
      std::string token = answer[name].get<std::string>();
      if (token.find_first_of("\r\n") == std::string::npos) {
        return absl::StrCat("Bearer ", token);
      }
    }
  }
  return absl::UnavailableError(absl::StrCat("the token server ", realm, " sent no token"));
}

absl::Status RegistrySource::Explain(const HttpResponse& response, const std::string& host,
                                     const std::string& path) const {
  switch (response.code) {
    case 404:
      return absl::NotFoundError(
          absl::StartsWith(path, "/blobs/")
              ? absl::StrCat("the registry ", host, " lacks blob ", path.substr(7),
                             ", which the image's manifest names; push the image again")
              : absl::StrCat("the registry ", host,
                             " has no such repository or tag; check the name, and that the image "
                             "was pushed"));
    case 401:
    case 403:
      return absl::PermissionDeniedError(
          absl::StrCat("the registry ", host, " refuses ", reference_.repository,
                       ": it doesn't exist, or this agent needs (other) credentials for it"));
    case 416:
    case 429:
      return absl::UnavailableError(absl::StrCat(
          "the registry ", host, " asks to come back later (HTTP ", response.code, ")"));
    default:
      break;
  }
  const std::string said = absl::CEscape(response.error_body.substr(0, 200));
  if (response.code >= 500) {
    return absl::UnavailableError(
        absl::StrCat("the registry ", host, " answered HTTP ", response.code, ": ", said));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the registry ", host, " answered HTTP ", response.code, ": ", said));
}

}  // namespace rally::runtime
