#ifndef RALLY_AGENT_RUNTIME_REGISTRY_SOURCE_H_
#define RALLY_AGENT_RUNTIME_REGISTRY_SOURCE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/runtime/http_transfer.h"
#include "agent/runtime/image_source.h"
#include "agent/runtime/plain_registries.h"
#include "agent/runtime/registry_options.h"
#include "common/pipeline/image_reference.h"

namespace rally::runtime {

// One image at one registry, over the distribution protocol: anonymous, Basic or token
// authentication, https, and http only on loopback. Transfers that break off go on where they
// stopped. It doesn't push.
// Ownership: copies the reference; `options` outlives it. Threads: one thread uses it; it runs a
// few of its own within FetchBlobs(). Blocking: all methods, on the network. Errors: kNotFound,
// kPermissionDenied, kUnavailable, kDataLoss as ContainerRuntime says them.
class RegistrySource : public ImageSource {
 public:
  // `plain` remembers loopback registries from one source to the next; it must outlive this one.
  RegistrySource(pipeline::ImageReference reference, const RegistryOptions& options,
                 PlainRegistries* plain = nullptr);

  // The document that the reference's tag stands for now. Its digest is over the delivered bytes.
  absl::StatusOr<ManifestDocument> ResolveTag(const CallLimits& limits);

  absl::StatusOr<ManifestDocument> ReadManifest(const std::string& digest,
                                                const CallLimits& limits) override;
  absl::Status FetchBlobs(const std::vector<BlobDescriptor>& blobs, const BlobReceiver& receive,
                          const CallLimits& limits) override;

 private:
  // Where requests go: the mirror or the registry.
  struct Endpoint {
    std::string scheme, host;  // "" scheme: not yet known whether a loopback registry speaks TLS.
    bool is_loopback = false;
    RegistryCredentials credentials;
  };

  absl::StatusOr<ManifestDocument> GetManifest(const std::string& reference,
                                               const CallLimits& limits);
  absl::Status GetBlob(BlobWriter& writer, const CallLimits& limits);
  absl::Status GetBlobOnce(BlobWriter& writer, const CallLimits& limits);

  // Tries the endpoints in turn, answers challenges, and turns answers into errors.
  absl::StatusOr<HttpResponse> Get(const std::string& path, const std::vector<std::string>& headers,
                                   const HttpBody& body, const CallLimits& limits);
  absl::StatusOr<HttpResponse> GetFrom(size_t endpoint, const std::string& path,
                                       const std::vector<std::string>& headers,
                                       const HttpBody& body, const CallLimits& limits);
  absl::StatusOr<HttpResponse> Send(size_t endpoint, const std::string& path,
                                    const std::vector<std::string>& headers, const HttpBody& body,
                                    const CallLimits& limits);
  // The Authorization that a challenge asks for.
  absl::StatusOr<std::string> Authorize(size_t endpoint, const std::vector<std::string>& challenges,
                                        const CallLimits& limits);
  absl::Status Explain(const HttpResponse& response, const std::string& host,
                       const std::string& path) const;

  const pipeline::ImageReference reference_;
  PlainRegistries* const plain_;
  HttpTransfer http_;
  absl::Mutex mutex_;
  std::vector<Endpoint> endpoints_ ABSL_GUARDED_BY(mutex_);
  std::map<size_t, std::string> authorizations_ ABSL_GUARDED_BY(mutex_);  // By endpoint.
};

// The parameters of a challenge like `Bearer realm="...",service="..."`; the scheme, in lower case,
// is under "". Pure.
std::map<std::string, std::string> ParseChallenge(absl::string_view challenge);

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_REGISTRY_SOURCE_H_
