#include "rallyctl/testing/memory_cas_service.h"

#include <utility>
#include <vector>

#include "common/blob/digest_proto.h"
#include "common/rpc/status.h"

namespace rally::rallyctl {

namespace reapi = build::bazel::remote::execution::v2;

grpc::Status MemoryCasService::FindMissingBlobs(grpc::ServerContext*,
                                                const reapi::FindMissingBlobsRequest* request,
                                                reapi::FindMissingBlobsResponse* response) {
  std::vector<blob::Digest> digests;
  for (const auto& proto : request->blob_digests()) {
    auto digest = blob::FromProto(proto);
    if (!digest.ok()) return rpc::ToGrpc(digest.status());
    digests.push_back(*std::move(digest));
  }
  auto missing = store_.FindMissing(digests);
  if (!missing.ok()) return rpc::ToGrpc(missing.status());
  for (const blob::Digest& digest : *missing) {
    *response->add_missing_blob_digests() = blob::ToProto(digest);
  }
  return grpc::Status::OK;
}

grpc::Status MemoryCasService::BatchUpdateBlobs(grpc::ServerContext*,
                                                const reapi::BatchUpdateBlobsRequest* request,
                                                reapi::BatchUpdateBlobsResponse* response) {
  for (const auto& part : request->requests()) {
    auto* answer = response->add_responses();
    *answer->mutable_digest() = part.digest();
    std::vector<blob::BlobUpload> uploads;
    uploads.push_back({blob::DigestOf(part.data()), part.data()});
    absl::Status status = store_.Upload(std::move(uploads));
    answer->mutable_status()->set_code(static_cast<int>(status.code()));
  }
  return grpc::Status::OK;
}

grpc::Status MemoryCasService::BatchReadBlobs(grpc::ServerContext*,
                                              const reapi::BatchReadBlobsRequest* request,
                                              reapi::BatchReadBlobsResponse* response) {
  for (const auto& proto : request->digests()) {
    auto* answer = response->add_responses();
    *answer->mutable_digest() = proto;
    auto digest = blob::FromProto(proto);
    if (!digest.ok()) return rpc::ToGrpc(digest.status());
    auto blobs = store_.Read({*digest});
    answer->mutable_status()->set_code(static_cast<int>(blobs.status().code()));
    if (blobs.ok()) answer->set_data(blobs->front());
  }
  return grpc::Status::OK;
}

}  // namespace rally::rallyctl
