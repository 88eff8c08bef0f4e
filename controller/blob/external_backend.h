#ifndef RALLY_CONTROLLER_BLOB_EXTERNAL_BACKEND_H_
#define RALLY_CONTROLLER_BLOB_EXTERNAL_BACKEND_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "common/blob/blob_endpoint.h"
#include "common/blob/cas_client.h"
#include "common/blob/directory_reader.h"
#include "common/blob/tree.h"
#include "common/rpc/channel.h"
#include "controller/blob/blob_backend.h"
#include "controller/blob/forward/forwarding_services.h"

namespace rally::cas {

// Blobs in a store elsewhere, of which only the portable core of the Remote Execution API is asked.
// Nothing is kept here: what others ask of this controller goes on to the store. How durable blobs
// are, and what is evicted when, is the store's business; what live builds need is asked for now
// and then, which stores take for use.
class ExternalBackend : public BlobBackend {
 public:
  // Waits up to `patience` for the store. Unavailable, FailedPrecondition and InvalidArgument speak
  // to the operator.
  static absl::StatusOr<std::unique_ptr<ExternalBackend>> Open(const blob::BlobEndpoint& endpoint,
                                                               const rpc::TlsFiles& tls,
                                                               absl::Duration patience);

  blob::BlobStore& store() override { return client_; }
  DirectoryOutlines& outlines() override { return outlines_; }
  absl::StatusOr<std::vector<blob::Digest>> FindMissingInTree(const blob::Digest& root) override {
    return blob::FindMissingInTree(client_, directories_, root);
  }
  void AddTo(grpc::ServerBuilder* builder) override { services_.AddTo(builder); }
  bool IsSynced() const override { return true; }
  absl::Status Sync() override { return absl::OkStatus(); }
  void Pin(absl::Span<const BlobKey> /*blobs*/) override {}
  void Unpin(absl::Span<const BlobKey> /*blobs*/) override {}
  void AllowEviction() override {}
  absl::Duration touch_interval() const override { return absl::Minutes(10); }

 private:
  // What is forwarded has a connection of its own, so that others' bulk doesn't delay the
  // controller's own calls.
  ExternalBackend(const blob::BlobEndpoint& endpoint, std::shared_ptr<grpc::Channel> own,
                  const std::shared_ptr<grpc::Channel>& forwarding);

  blob::CasClient client_;
  DirectoryOutlines outlines_{&client_};
  blob::CachingDirectoryReader directories_{&client_, int64_t{8} << 20};
  ForwardingServices services_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_EXTERNAL_BACKEND_H_
