#include "controller/blob/capabilities_service.h"

#include "common/blob/instance_name.h"
#include "common/rpc/status.h"
#include "controller/blob/action_cache.h"
#include "controller/blob/cas_service.h"

namespace rally::cas {

namespace reapi = build::bazel::remote::execution::v2;

grpc::ServerUnaryReactor* CapabilitiesService::GetCapabilities(
    grpc::CallbackServerContext* context, const reapi::GetCapabilitiesRequest* request,
    reapi::ServerCapabilities* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (absl::Status status = blob::CheckInstanceName(request->instance_name()); !status.ok()) {
    reactor->Finish(rpc::ToGrpc(status));
    return reactor;
  }
  auto* const cache = response->mutable_cache_capabilities();
  cache->add_digest_function(reapi::DigestFunction::SHA256);
  cache->mutable_action_cache_update_capabilities()->set_update_enabled(
      !ActionCache::IsForStepResults(request->instance_name()));
  cache->set_max_batch_total_size_bytes(CasService::kMaxBatchBytes);
  cache->set_symlink_absolute_path_strategy(reapi::SymlinkAbsolutePathStrategy::ALLOWED);
  cache->add_supported_compressors(reapi::Compressor::ZSTD);
  cache->add_supported_batch_update_compressors(reapi::Compressor::ZSTD);
  cache->set_max_cas_blob_size_bytes(max_blob_bytes_);
  response->mutable_low_api_version()->set_major(2);
  response->mutable_high_api_version()->set_major(2);
  response->mutable_high_api_version()->set_minor(3);
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace rally::cas
