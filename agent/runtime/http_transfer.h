#ifndef RALLY_AGENT_RUNTIME_HTTP_TRANSFER_H_
#define RALLY_AGENT_RUNTIME_HTTP_TRANSFER_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "agent/runtime/call_limits.h"

namespace rally::runtime {

struct CurlLibrary;

struct HttpRequest {
  std::string url;
  std::vector<std::string> headers;  // "Name: value"; Authorization isn't sent to another host.
  std::string user, password;        // Sent when `user` isn't empty.
  bool allow_plain = false;          // http, also as the target of a redirect.
};

struct HttpResponse {
  int code = 0;
  std::string content_type;
  std::string docker_content_digest;
  std::vector<std::string> challenges;  // WWW-Authenticate.
  std::string error_body;               // The start of what an unsuccessful answer said.
};

// Receives the body of a 200 or 206, in pieces, in order.
using HttpBody = std::function<absl::Status(int code, absl::string_view bytes)>;

// Blocking HTTP GETs that follow redirects and reuse connections. It knows nothing of registries.
// Ownership: owns its connections. Threads: thread-safe. Blocking: Get(), on the network, until the
// limits, or for 10 s without a connection, or while less than 1 KiB/s came for 30 s; the first one
// also on the disk, from where it loads libcurl.
// Errors: kUnavailable when no whole answer came; kAborted when this host doesn't accept the other
// side's certificate, which asking again doesn't cure; kInternal when this host lacks libcurl; the
// body's own status; else any answer is OK.
class HttpTransfer {
 public:
  HttpTransfer() = default;
  ~HttpTransfer();
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;

  absl::StatusOr<HttpResponse> Get(const HttpRequest& request, const HttpBody& body,
                                   const CallLimits& limits);

  // Whether the last kUnavailable of Get() meant that the other side doesn't speak TLS.
  static bool IsTlsFailure(const absl::Status& status);

  // Whether the last kAborted of Get() was about the certificate.
  static bool IsUntrusted(const absl::Status& status);

 private:
  void* TakeHandle(const CurlLibrary& curl);
  void ReturnHandle(const CurlLibrary& curl, void* handle);

  absl::Mutex mutex_;
  std::vector<void*> idle_ ABSL_GUARDED_BY(mutex_);  // CURL*, owned.
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_HTTP_TRANSFER_H_
