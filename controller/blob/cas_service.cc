#include "controller/blob/cas_service.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/blob/batch_message.h"
#include "common/blob/digest_proto.h"
#include "common/blob/instance_name.h"
#include "common/blob/received_bytes.h"
#include "common/rpc/status.h"
#include "controller/blob/check_of.h"
#include "controller/blob/digest_function.h"
#include "controller/blob/message_bulk.h"
#include "controller/blob/run_on_disk.h"
#include "controller/blob/tree_stream.h"
#include "controller/blob/zstd_codec.h"
#include "google/protobuf/arena.h"

namespace rally::cas {
namespace {

namespace reapi = build::bazel::remote::execution::v2;

// Below, compression costs more than it saves.
constexpr size_t kMinCompressedBytes = 1024;

void SetStatus(const absl::Status& status, google::rpc::Status* proto) {
  proto->set_code(static_cast<int>(status.code()));
  if (!status.ok()) proto->set_message(std::string(status.message()));
}

// Of `count` blobs. Sizes are claims of the client; a negative or huge one must not wrap the sum.
absl::Status CheckBatch(int count, const std::function<int64_t(int)>& size_of) {
  if (count > CasService::kMaxBatchBlobs) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the batch has more than ", CasService::kMaxBatchBlobs, " blobs; use smaller batches"));
  }
  int64_t sum = 0;
  for (int i = 0; i < count; ++i) {
    const int64_t size = size_of(i);
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

// A request of BatchUpdateBlobs without its blobs' bytes.
using Update = reapi::BatchUpdateBlobsRequest::Request;

// What a blob takes of the batch: what it is, also while it is compressed.
int64_t SizeInBatch(const Update& update, blob::Pieces data) {
  const int64_t sent = blob::SizeOf(data);
  if (update.compressor() == reapi::Compressor::IDENTITY) return sent;
  return std::max(sent, update.digest().size_bytes());
}

// The blob that is sent, whose bytes may need to be decoded to `decoded`.
absl::StatusOr<DiskStore::BatchBlob> SentBlob(const Update& update, blob::Pieces data,
                                              std::deque<std::string>* decoded,
                                              std::deque<absl::string_view>* pieces) {
  absl::StatusOr<blob::Digest> digest = blob::FromProto(update.digest());
  if (!digest.ok()) return digest.status();
  if (update.compressor() == reapi::Compressor::IDENTITY) {
    return DiskStore::BatchBlob{*std::move(digest), data};
  }
  if (update.compressor() != reapi::Compressor::ZSTD) {
    return absl::InvalidArgumentError(
        absl::StrCat("compressor ", update.compressor(), " is not supported; use zstd or none"));
  }
  absl::StatusOr<std::string> bytes = ZstdDecode(absl::StrJoin(data, ""), digest->size_bytes);
  if (!bytes.ok()) {
    return absl::Status(bytes.status().code(),
                        absl::StrCat("blob ", digest->ToString(), ": ", bytes.status().message()));
  }
  decoded->push_back(*std::move(bytes));
  pieces->push_back(decoded->back());
  return DiskStore::BatchBlob{*std::move(digest), absl::MakeConstSpan(&pieces->back(), 1)};
}

bool AcceptsZstd(const reapi::BatchReadBlobsRequest& request) {
  const auto& accepted = request.acceptable_compressors();
  return std::find(accepted.begin(), accepted.end(), reapi::Compressor::ZSTD) != accepted.end();
}

// What would be a BatchReadBlobsResponse::Response, at the end of the message.
using Loaded = reapi::BatchReadBlobsResponse::Response;

void AppendFailure(const reapi::Digest& digest, const absl::Status& status,
                   blob::BatchMessage* message) {
  Loaded failed;
  *failed.mutable_digest() = digest;
  SetStatus(status, failed.mutable_status());
  message->AppendField(reapi::BatchReadBlobsResponse::kResponsesFieldNumber,
                       failed.SerializeAsString());
}

// The start of the answer for one blob, up to its bytes.
void BeginBlob(const std::string& digest, size_t bytes, size_t more_bytes,
               blob::BatchMessage* message) {
  using blob::BatchMessage;
  const size_t digest_bytes = BatchMessage::SizeOfField(Loaded::kDigestFieldNumber, digest.size());
  const size_t data_bytes = BatchMessage::SizeOfField(Loaded::kDataFieldNumber, bytes);
  message->BeginField(reapi::BatchReadBlobsResponse::kResponsesFieldNumber,
                      digest_bytes + data_bytes + more_bytes);
  message->AppendField(Loaded::kDigestFieldNumber, digest);
  message->BeginField(Loaded::kDataFieldNumber, bytes);
}

void AppendBlob(DiskStore::BatchReader& reader, const reapi::Digest& proto,
                blob::BatchMessage* message) {
  const blob::BatchMessage::Mark begin = message->End();
  absl::StatusOr<blob::Digest> digest = blob::FromProto(proto);
  absl::Status status = digest.status();
  if (status.ok()) {
    status = reader.Read(*digest, [&](size_t size) {
      BeginBlob(proto.SerializeAsString(), size, 0, message);
      return message->Extend(size);
    });
  }
  if (status.ok()) return;
  message->ReturnTo(begin);
  AppendFailure(proto, status, message);
}

void AppendCompressedBlob(DiskStore::BatchReader& reader, const reapi::Digest& proto,
                          blob::BatchMessage* message) {
  absl::StatusOr<blob::Digest> digest = blob::FromProto(proto);
  if (!digest.ok()) return AppendFailure(proto, digest.status(), message);
  std::string bytes;
  absl::Status status = reader.Read(*digest, [&](size_t size) {
    bytes.resize(size);
    return bytes.data();
  });
  if (!status.ok()) return AppendFailure(proto, status, message);
  constexpr int kCompressor = Loaded::kCompressorFieldNumber;
  size_t compressor_bytes = 0;
  if (bytes.size() >= kMinCompressedBytes) {
    absl::StatusOr<std::string> compressed = ZstdEncode(bytes);
    if (compressed.ok() && compressed->size() < bytes.size() - bytes.size() / 10) {
      bytes = *std::move(compressed);
      compressor_bytes =
          blob::BatchMessage::SizeOfVarintField(kCompressor, reapi::Compressor::ZSTD);
    }
  }
  BeginBlob(proto.SerializeAsString(), bytes.size(), compressor_bytes, message);
  bytes.copy(message->Extend(bytes.size()), bytes.size());
  if (compressor_bytes > 0) message->AppendVarintField(kCompressor, reapi::Compressor::ZSTD);
}

absl::Status CheckCall(const google::protobuf::Message& request, absl::string_view instance,
                       DigestFunctionField field) {
  if (absl::Status status = blob::CheckInstanceName(instance); !status.ok()) return status;
  return RequestedDigestFunction(request, field).status();
}

}  // namespace

grpc::ServerUnaryReactor* CasService::FindMissingBlobs(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* request_bytes,
                                                       grpc::ByteBuffer* response_bytes) {
  return RunOnDisk(threads_, context, [this, request_bytes, response_bytes]() -> absl::Status {
    reapi::FindMissingBlobsRequest request;
    absl::Status valid = ParseWithinBulk(*request_bytes, &request);
    if (!valid.ok()) return valid;
    valid = CheckCall(request, request.instance_name(), DigestFunctionField::kFindMissingBlobs);
    if (!valid.ok()) return valid;
    reapi::FindMissingBlobsResponse response;
    DiskStore::Finder finder(store_);
    for (const reapi::Digest& digest : request.blob_digests()) {
      valid = blob::ValidateDigest(digest.hash(), digest.size_bytes());
      if (!valid.ok()) return valid;
      if (!finder.Contains(BlobKey::Of(digest.hash(), digest.size_bytes()))) {
        *response.add_missing_blob_digests() = digest;
      }
    }
    return Serialize(response, response_bytes);
  });
}

grpc::ServerUnaryReactor* CasService::BatchUpdateBlobs(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* request_bytes,
                                                       grpc::ByteBuffer* response_bytes) {
  return RunOnDisk(threads_, context, [this, request_bytes, response_bytes]() -> absl::Status {
    google::protobuf::Arena arena;
    auto& request = *google::protobuf::Arena::CreateMessage<reapi::BatchUpdateBlobsRequest>(&arena);
    grpc::ByteBuffer bytes = *request_bytes;
    absl::Status valid = CheckBulk(bytes, request);
    if (!valid.ok()) return valid;
    blob::ReceivedBatch batch;
    valid = batch.Parse(&bytes, reapi::BatchUpdateBlobsRequest::kRequestsFieldNumber,
                        reapi::BatchUpdateBlobsRequest::Request::kDataFieldNumber, &request);
    if (!valid.ok()) return valid;
    valid = CheckCall(request, request.instance_name(), DigestFunctionField::kBatchUpdateBlobs);
    if (!valid.ok()) return valid;
    absl::Status fits = CheckBatch(request.requests_size(), [&](int i) {
      return SizeInBatch(request.requests(i), batch.Data(i));
    });
    if (!fits.ok()) return fits;
    auto& response =
        *google::protobuf::Arena::CreateMessage<reapi::BatchUpdateBlobsResponse>(&arena);
    std::deque<std::string> decoded;
    std::deque<absl::string_view> pieces;
    std::vector<DiskStore::BatchBlob> blobs;
    std::vector<google::rpc::Status*> statuses;
    for (int i = 0; i < request.requests_size(); ++i) {
      auto* const answer = response.add_responses();
      *answer->mutable_digest() = request.requests(i).digest();
      absl::StatusOr<DiskStore::BatchBlob> sent =
          SentBlob(request.requests(i), batch.Data(i), &decoded, &pieces);
      SetStatus(sent.status(), answer->mutable_status());
      if (!sent.ok()) continue;
      blobs.push_back(*std::move(sent));
      statuses.push_back(answer->mutable_status());
    }
    const std::vector<absl::Status> stored = store_->WriteBatch(blobs);
    for (size_t i = 0; i < stored.size(); ++i) SetStatus(stored[i], statuses[i]);
    return Serialize(response, response_bytes);
  });
}

grpc::ServerUnaryReactor* CasService::BatchReadBlobs(grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* request_bytes,
                                                     grpc::ByteBuffer* response) {
  return RunOnDisk(threads_, context, [this, context, request_bytes, response]() -> absl::Status {
    reapi::BatchReadBlobsRequest request;
    absl::Status valid = ParseWithinBulk(*request_bytes, &request);
    if (!valid.ok()) return valid;
    valid = CheckCall(request, request.instance_name(), DigestFunctionField::kBatchReadBlobs);
    if (!valid.ok()) return valid;
    absl::Status fits =
        CheckBatch(request.digests_size(), [&](int i) { return request.digests(i).size_bytes(); });
    if (!fits.ok()) return fits;
    const auto append = AcceptsZstd(request) ? AppendCompressedBlob : AppendBlob;
    blob::BatchMessage message;
    DiskStore::BatchReader reader(store_, CheckOf(*context));
    for (const reapi::Digest& digest : request.digests()) append(reader, digest, &message);
    *response = message.Take();
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<reapi::GetTreeResponse>* CasService::GetTree(
    grpc::CallbackServerContext* context, const reapi::GetTreeRequest* request) {
  return new TreeStream(store_, threads_, &trees_, &idle_watch_, context, request);
}

}  // namespace rally::cas
