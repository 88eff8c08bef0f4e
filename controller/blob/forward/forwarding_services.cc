#include "controller/blob/forward/forwarding_services.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/blob/instance_name.h"
#include "common/rpc/status.h"
#include "controller/blob/forward/forwarded_call.h"
#include "controller/blob/forward/forwarded_download.h"
#include "controller/blob/forward/forwarded_name.h"
#include "controller/blob/forward/forwarded_upload.h"
#include "controller/blob/resource_name.h"

namespace rally::cas {
namespace {

namespace reapi = build::bazel::remote::execution::v2;
namespace bytestream = google::bytestream;

constexpr absl::Duration kTreeBound = absl::Minutes(10);
// Batches have to fit the messages of a server with gRPC's default limit.
constexpr int64_t kMaxBatchBytes = 4 * 1024 * 1024 - 64 * 1024;

// Ends a stream before it began.
template <typename Response>
class RefusedDownload : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedDownload(const absl::Status& status) { this->Finish(rpc::ToGrpc(status)); }
  void OnDone() override { delete this; }
};

grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(rpc::ToGrpc(status));
  return reactor;
}

// A call whose request names an instance.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* Forward(Upstream* upstream, grpc::CallbackServerContext* context,
                                  const Request& request, Response* response,
                                  const typename ForwardedCall<Request, Response>::Start& start,
                                  std::function<void(Response*)> adjust = nullptr) {
  absl::Status valid = blob::CheckInstanceName(request.instance_name());
  if (!valid.ok()) return Refuse(context, valid);
  Request theirs = request;
  theirs.set_instance_name(upstream->options().instance);
  return new ForwardedCall<Request, Response>(upstream, *context, std::move(theirs), response,
                                              start, std::move(adjust));
}

// What the store can do through this service.
void Adjust(reapi::ServerCapabilities* capabilities) {
  capabilities->clear_execution_capabilities();
  auto* const cache = capabilities->mutable_cache_capabilities();
  cache->clear_digest_function();
  cache->add_digest_function(reapi::DigestFunction::SHA256);
  cache->mutable_action_cache_update_capabilities()->set_update_enabled(false);
  const int64_t theirs = cache->max_batch_total_size_bytes();
  cache->set_max_batch_total_size_bytes(theirs > 0 ? std::min(theirs, kMaxBatchBytes)
                                                   : kMaxBatchBytes);
}

}  // namespace

class ForwardingServices::Cas : public reapi::ContentAddressableStorage::CallbackService {
 public:
  explicit Cas(Upstream* upstream) : upstream_(upstream) {}

  grpc::ServerUnaryReactor* FindMissingBlobs(grpc::CallbackServerContext* context,
                                             const reapi::FindMissingBlobsRequest* request,
                                             reapi::FindMissingBlobsResponse* response) override {
    return Forward(upstream_, context, *request, response,
                   [this](auto* client, auto* theirs, auto* answer, auto done) {
                     upstream_->cas()->async()->FindMissingBlobs(client, theirs, answer, done);
                   });
  }
  grpc::ServerUnaryReactor* BatchUpdateBlobs(grpc::CallbackServerContext* context,
                                             const reapi::BatchUpdateBlobsRequest* request,
                                             reapi::BatchUpdateBlobsResponse* response) override {
    return Forward(upstream_, context, *request, response,
                   [this](auto* client, auto* theirs, auto* answer, auto done) {
                     upstream_->cas()->async()->BatchUpdateBlobs(client, theirs, answer, done);
                   });
  }
  grpc::ServerUnaryReactor* BatchReadBlobs(grpc::CallbackServerContext* context,
                                           const reapi::BatchReadBlobsRequest* request,
                                           reapi::BatchReadBlobsResponse* response) override {
    return Forward(upstream_, context, *request, response,
                   [this](auto* client, auto* theirs, auto* answer, auto done) {
                     upstream_->cas()->async()->BatchReadBlobs(client, theirs, answer, done);
                   });
  }
  grpc::ServerWriteReactor<reapi::GetTreeResponse>* GetTree(
      grpc::CallbackServerContext* context, const reapi::GetTreeRequest* request) override {
    absl::Status valid = blob::CheckInstanceName(request->instance_name());
    if (!valid.ok()) return new RefusedDownload<reapi::GetTreeResponse>(valid);
    reapi::GetTreeRequest theirs = *request;
    theirs.set_instance_name(upstream_->options().instance);
    return new ForwardedDownload<reapi::GetTreeRequest, reapi::GetTreeResponse>(
        upstream_, *context, std::move(theirs), kTreeBound,
        [this](auto* client, auto* asked, auto* reactor) {
          upstream_->cas()->async()->GetTree(client, asked, reactor);
        });
  }

 private:
  Upstream* const upstream_;
};

class ForwardingServices::ByteStream : public bytestream::ByteStream::CallbackService {
 public:
  explicit ByteStream(Upstream* upstream) : upstream_(upstream) {}

  grpc::ServerWriteReactor<bytestream::ReadResponse>* Read(
      grpc::CallbackServerContext* context, const bytestream::ReadRequest* request) override {
    const absl::StatusOr<ResourceName> parsed = ParseReadName(request->resource_name());
    absl::StatusOr<std::string> name =
        ForwardedReadName(request->resource_name(), upstream_->options().instance);
    if (!parsed.ok()) return new RefusedDownload<bytestream::ReadResponse>(parsed.status());
    if (!name.ok()) return new RefusedDownload<bytestream::ReadResponse>(name.status());
    bytestream::ReadRequest theirs = *request;
    theirs.set_resource_name(*std::move(name));
    return new ForwardedDownload<bytestream::ReadRequest, bytestream::ReadResponse>(
        upstream_, *context, std::move(theirs), upstream_->StreamBound(parsed->digest.size_bytes),
        [this](auto* client, auto* asked, auto* reactor) {
          upstream_->byte_stream()->async()->Read(client, asked, reactor);
        });
  }
  grpc::ServerReadReactor<bytestream::WriteRequest>* Write(
      grpc::CallbackServerContext* context, bytestream::WriteResponse* response) override {
    return new ForwardedUpload(upstream_, context, response);
  }
  grpc::ServerUnaryReactor* QueryWriteStatus(
      grpc::CallbackServerContext* context, const bytestream::QueryWriteStatusRequest* request,
      bytestream::QueryWriteStatusResponse* response) override {
    absl::StatusOr<std::string> name =
        ForwardedWriteName(request->resource_name(), upstream_->options().instance);
    if (!name.ok()) return Refuse(context, name.status());
    bytestream::QueryWriteStatusRequest theirs = *request;
    theirs.set_resource_name(*std::move(name));
    return new ForwardedCall<bytestream::QueryWriteStatusRequest,
                             bytestream::QueryWriteStatusResponse>(
        upstream_, *context, std::move(theirs), response,
        [this](auto* client, auto* asked, auto* answer, auto done) {
          upstream_->byte_stream()->async()->QueryWriteStatus(client, asked, answer, done);
        });
  }

 private:
  Upstream* const upstream_;
};

class ForwardingServices::ActionCache : public reapi::ActionCache::CallbackService {
 public:
  explicit ActionCache(Upstream* upstream) : upstream_(upstream) {}

  grpc::ServerUnaryReactor* GetActionResult(grpc::CallbackServerContext* context,
                                            const reapi::GetActionResultRequest* /*request*/,
                                            reapi::ActionResult* /*response*/) override {
    return Refuse(context, absl::NotFoundError(Why()));
  }
  grpc::ServerUnaryReactor* UpdateActionResult(grpc::CallbackServerContext* context,
                                               const reapi::UpdateActionResultRequest* /*request*/,
                                               reapi::ActionResult* /*response*/) override {
    return Refuse(context, absl::PermissionDeniedError(Why()));
  }

 private:
  std::string Why() const {
    return absl::StrCat("this controller keeps no results of actions, its blobs are in ",
                        upstream_->options().name, "; ask that itself");
  }

  const Upstream* const upstream_;
};

class ForwardingServices::Capabilities : public reapi::Capabilities::CallbackService {
 public:
  explicit Capabilities(Upstream* upstream) : upstream_(upstream) {}

  grpc::ServerUnaryReactor* GetCapabilities(grpc::CallbackServerContext* context,
                                            const reapi::GetCapabilitiesRequest* request,
                                            reapi::ServerCapabilities* response) override {
    return Forward(
        upstream_, context, *request, response,
        [this](auto* client, auto* theirs, auto* answer, auto done) {
          upstream_->capabilities()->async()->GetCapabilities(client, theirs, answer, done);
        },
        std::function<void(reapi::ServerCapabilities*)>(Adjust));
  }

 private:
  Upstream* const upstream_;
};

ForwardingServices::ForwardingServices(const std::shared_ptr<grpc::Channel>& channel,
                                       Upstream::Options options)
    : upstream_(channel, std::move(options)),
      cas_(std::make_unique<Cas>(&upstream_)),
      byte_stream_(std::make_unique<ByteStream>(&upstream_)),
      action_cache_(std::make_unique<ActionCache>(&upstream_)),
      capabilities_(std::make_unique<Capabilities>(&upstream_)) {}

ForwardingServices::~ForwardingServices() = default;

void ForwardingServices::AddTo(grpc::ServerBuilder* builder) {
  builder->RegisterService(cas_.get());
  builder->RegisterService(byte_stream_.get());
  builder->RegisterService(action_cache_.get());
  builder->RegisterService(capabilities_.get());
}

}  // namespace rally::cas
