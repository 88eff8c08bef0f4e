#include "agent/runtime/http_transfer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "agent/runtime/curl_library.h"

namespace rally::runtime {
namespace {

constexpr long kConnectTimeoutMillis = 10'000;  // NOLINT: curl's type.
constexpr long kSlowBytesPerSecond = 1024;      // NOLINT
constexpr long kSlowSeconds = 30;               // NOLINT
constexpr long kMaxRedirects = 5;               // NOLINT
constexpr size_t kMaxErrorBytes = 4096;
constexpr char kTlsFailure[] = "rally.dev/tls-failure";
constexpr char kUntrusted[] = "rally.dev/untrusted-certificate";

// One transfer, as curl's callbacks see it.
struct Transfer {
  const CurlLibrary& curl;
  CURL* handle;
  const HttpBody& body;
  const CallLimits& limits;
  HttpResponse response;
  absl::Status body_status;
};

int CodeOf(const CurlLibrary& curl, CURL* handle) {
  long code = 0;  // NOLINT: curl's type.
  curl.easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &code);
  return static_cast<int>(code);
}

size_t OnBody(char* data, size_t, size_t size, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const int code = CodeOf(transfer.curl, transfer.handle);
  if (code == 200 || code == 206) {
    transfer.body_status = transfer.body(code, {data, size});
    return transfer.body_status.ok() ? size : 0;
  }
  std::string& kept = transfer.response.error_body;
  kept.append(data, std::min(size, kMaxErrorBytes - kept.size()));
  return size;
}

size_t OnHeader(char* data, size_t, size_t size, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const absl::string_view line(data, size);
  if (absl::StartsWith(line, "HTTP/")) {  // The next answer: those before were redirects.
    transfer.response = HttpResponse();
    return size;
  }
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos) return size;
  const absl::string_view name = line.substr(0, colon);
  const std::string value(absl::StripAsciiWhitespace(line.substr(colon + 1)));
  if (absl::EqualsIgnoreCase(name, "content-type")) {
    transfer.response.content_type = value.substr(0, value.find(';'));
  } else if (absl::EqualsIgnoreCase(name, "docker-content-digest")) {
    transfer.response.docker_content_digest = value;
  } else if (absl::EqualsIgnoreCase(name, "www-authenticate")) {
    transfer.response.challenges.push_back(value);
  }
  return size;
}

// Called at least once a second.
int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const Transfer& transfer = *static_cast<Transfer*>(user);
  return CheckLimits(transfer.limits, "").ok() ? 0 : 1;
}

}  // namespace

HttpTransfer::~HttpTransfer() {
  absl::MutexLock lock(&mutex_);
  // Without the library there are none.
  for (void* handle : idle_) (*CurlLibrary::Load())->easy_cleanup(handle);
}

void* HttpTransfer::TakeHandle(const CurlLibrary& curl) {
  {
    absl::MutexLock lock(&mutex_);
    if (!idle_.empty()) {
      void* handle = idle_.back();
      idle_.pop_back();
      return handle;
    }
  }
  return curl.easy_init();
}

void HttpTransfer::ReturnHandle(const CurlLibrary& curl, void* handle) {
  curl.easy_reset(handle);  // Keeps its connections.
  absl::MutexLock lock(&mutex_);
  idle_.push_back(handle);
}

absl::StatusOr<HttpResponse> HttpTransfer::Get(const HttpRequest& request, const HttpBody& body,
                                               const CallLimits& limits) {
  if (absl::Status spent = CheckLimits(limits, request.url); !spent.ok()) return spent;
  absl::StatusOr<const CurlLibrary*> loaded = CurlLibrary::Load();
  if (!loaded.ok()) return loaded.status();
  const CurlLibrary& curl = **loaded;
  CURL* handle = TakeHandle(curl);
  if (handle == nullptr) return absl::InternalError("libcurl gives no handle");
  Transfer transfer{curl, handle, body, limits, {}, {}};
  curl_slist* headers = nullptr;
  for (const std::string& header : request.headers) {
    headers = curl.slist_append(headers, header.c_str());
  }
  char error[CURL_ERROR_SIZE] = "";
  const char* protocols = request.allow_plain ? "http,https" : "https";
  curl.easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl.easy_setopt(handle, CURLOPT_PROTOCOLS_STR, protocols);
  curl.easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
  curl.easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
  curl.easy_setopt(handle, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl.easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  curl.easy_setopt(handle, CURLOPT_USERAGENT, "rally-agent");
  curl.easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl.easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMillis);
  curl.easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, kSlowBytesPerSecond);
  curl.easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, kSlowSeconds);
  curl.easy_setopt(handle, CURLOPT_ERRORBUFFER, error);
  curl.easy_setopt(handle, CURLOPT_WRITEFUNCTION, OnBody);
  curl.easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl.easy_setopt(handle, CURLOPT_HEADERFUNCTION, OnHeader);
  curl.easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl.easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl.easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl.easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
  if (!request.user.empty()) {
    curl.easy_setopt(handle, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl.easy_setopt(handle, CURLOPT_USERNAME, request.user.c_str());
    curl.easy_setopt(handle, CURLOPT_PASSWORD, request.password.c_str());
  }
  const CURLcode result = curl.easy_perform(handle);
  transfer.response.code = CodeOf(curl, handle);
  ReturnHandle(curl, handle);
  curl.slist_free_all(headers);

  if (!transfer.body_status.ok()) return transfer.body_status;
  if (absl::Status spent = CheckLimits(limits, request.url); result != CURLE_OK && !spent.ok()) {
    return spent;
  }
  if (result == CURLE_OK) return std::move(transfer.response);
  const std::string why = error[0] != '\0' ? error : curl.easy_strerror(result);
  if (result == CURLE_PEER_FAILED_VERIFICATION) {
    absl::Status untrusted = absl::AbortedError(why);
    untrusted.SetPayload(kUntrusted, absl::Cord(""));
    return untrusted;
  }
  absl::Status status = absl::UnavailableError(why);
  if (result == CURLE_SSL_CONNECT_ERROR) status.SetPayload(kTlsFailure, absl::Cord(""));
  return status;
}

bool HttpTransfer::IsTlsFailure(const absl::Status& status) {
  return status.GetPayload(kTlsFailure).has_value();
}

bool HttpTransfer::IsUntrusted(const absl::Status& status) {
  return status.GetPayload(kUntrusted).has_value();
}

}  // namespace rally::runtime
