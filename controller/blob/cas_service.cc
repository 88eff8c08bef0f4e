#include "controller/blob/cas_service.h"

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/blob/digest_proto.h"
#include "common/rpc/status.h"

namespace rally::cas {
namespace {

namespace reapi = build::bazel::remote::execution::v2;

// Runs the call's work on the disk threads, then ends the call.
grpc::ServerUnaryReactor* RunOnDisk(controller::WorkerPool* threads,
                                    grpc::CallbackServerContext* context,
                                    std::function<absl::Status()> work) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const bool taken =
      threads->TryPost([reactor, work = std::move(work)] { reactor->Finish(rpc::ToGrpc(work())); });
  if (!taken) {
    reactor->Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                                 "the blob service has too much to do; try again"));
  }
  return reactor;
}

void SetStatus(const absl::Status& status, google::rpc::Status* proto) {
  proto->set_code(static_cast<int>(status.code()));
  if (!status.ok()) proto->set_message(std::string(status.message()));
}

// Sizes are claims of the client; a negative or huge one must not wrap the sum.
template <typename Items, typename SizeOf>
absl::Status CheckBatch(const Items& items, const SizeOf& size_of) {
  int64_t sum = 0;
  for (const auto& item : items) {
    const int64_t size = size_of(item);
    if (size < 0) continue;  // Answered for this blob alone.
    if (size > CasService::kMaxBatchBytes - sum) {
      return absl::InvalidArgumentError(
          absl::StrCat("the batch has more than ", CasService::kMaxBatchBytes,
                       " bytes; use smaller batches, and ByteStream for large blobs"));
    }
    sum += size;
  }
  return absl::OkStatus();
}

absl::Status Store(DiskStore& store, const reapi::BatchUpdateBlobsRequest::Request& request) {
  absl::StatusOr<blob::Digest> digest = blob::FromProto(request.digest());
  if (!digest.ok()) return digest.status();
  if (request.compressor() != reapi::Compressor::IDENTITY) {
    return absl::InvalidArgumentError("this server accepts no compressed blobs");
  }
  return store.WriteAll(*digest, request.data());
}

absl::Status Load(DiskStore& store, const reapi::Digest& proto, std::string* data) {
  absl::StatusOr<blob::Digest> digest = blob::FromProto(proto);
  if (!digest.ok()) return digest.status();
  absl::StatusOr<std::string> bytes = store.ReadAll(*digest);
  if (!bytes.ok()) return bytes.status();
  *data = *std::move(bytes);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* CasService::FindMissingBlobs(
    grpc::CallbackServerContext* context, const reapi::FindMissingBlobsRequest* request,
    reapi::FindMissingBlobsResponse* response) {
  return RunOnDisk(threads_, context, [this, request, response]() -> absl::Status {
    std::vector<blob::Digest> digests;
    digests.reserve(request->blob_digests_size());
    for (const reapi::Digest& proto : request->blob_digests()) {
      absl::StatusOr<blob::Digest> digest = blob::FromProto(proto);
      if (!digest.ok()) return digest.status();
      digests.push_back(*std::move(digest));
    }
    absl::StatusOr<std::vector<blob::Digest>> missing = store_->FindMissing(digests);
    if (!missing.ok()) return missing.status();
    for (const blob::Digest& digest : *missing) {
      *response->add_missing_blob_digests() = blob::ToProto(digest);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* CasService::BatchUpdateBlobs(
    grpc::CallbackServerContext* context, const reapi::BatchUpdateBlobsRequest* request,
    reapi::BatchUpdateBlobsResponse* response) {
  return RunOnDisk(threads_, context, [this, request, response]() -> absl::Status {
    absl::Status fits = CheckBatch(request->requests(),
                                   [](const auto& part) -> int64_t { return part.data().size(); });
    if (!fits.ok()) return fits;
    for (const auto& part : request->requests()) {
      auto* const answer = response->add_responses();
      *answer->mutable_digest() = part.digest();
      SetStatus(Store(*store_, part), answer->mutable_status());
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* CasService::BatchReadBlobs(grpc::CallbackServerContext* context,
                                                     const reapi::BatchReadBlobsRequest* request,
                                                     reapi::BatchReadBlobsResponse* response) {
  return RunOnDisk(threads_, context, [this, request, response]() -> absl::Status {
    absl::Status fits =
        CheckBatch(request->digests(), [](const auto& digest) { return digest.size_bytes(); });
    if (!fits.ok()) return fits;
    for (const reapi::Digest& digest : request->digests()) {
      auto* const answer = response->add_responses();
      *answer->mutable_digest() = digest;
      SetStatus(Load(*store_, digest, answer->mutable_data()), answer->mutable_status());
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* CapabilitiesService::GetCapabilities(
    grpc::CallbackServerContext* context, const reapi::GetCapabilitiesRequest* /*request*/,
    reapi::ServerCapabilities* response) {
  auto* const cache = response->mutable_cache_capabilities();
  cache->add_digest_function(reapi::DigestFunction::SHA256);
  cache->mutable_action_cache_update_capabilities()->set_update_enabled(action_cache_writable_);
  cache->set_max_batch_total_size_bytes(CasService::kMaxBatchBytes);
  cache->set_symlink_absolute_path_strategy(reapi::SymlinkAbsolutePathStrategy::ALLOWED);
  response->mutable_low_api_version()->set_major(2);
  response->mutable_high_api_version()->set_major(2);
  response->mutable_high_api_version()->set_minor(3);
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace rally::cas
