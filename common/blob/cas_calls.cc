#include "common/blob/cas_calls.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/blob/batch_message.h"
#include "common/blob/digest_proto.h"
#include "common/rpc/status.h"
#include "grpcpp/client_context.h"
#include "grpcpp/impl/client_unary_call.h"
#include "grpcpp/impl/rpc_method.h"

namespace rally::blob {
namespace {

namespace reapi = build::bazel::remote::execution::v2;

using rpc::FromGrpc;

constexpr size_t kDigestsPerRequest = 10'000;
constexpr absl::Duration kLongestPause = absl::Seconds(5);

absl::Status AddContext(const absl::Status& status, absl::string_view what) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

absl::Status BlobStatus(const Digest& digest, const google::rpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.code()),
                      absl::StrCat("blob ", digest.ToString(), ": ", status.message()));
}

void SetDeadline(absl::Time deadline, grpc::ClientContext* context) {
  context->set_deadline(absl::ToChronoTime(deadline));
}

std::string RandomUuid() {
  absl::BitGen random;
  const uint64_t a = absl::Uniform<uint64_t>(random);
  const uint64_t b = absl::Uniform<uint64_t>(random);
  return absl::StrFormat("%08x-%04x-4%03x-%04x-%012x", a >> 32, (a >> 16) & 0xFFFF, a & 0xFFF,
                         0x8000 | ((b >> 48) & 0x3FFF), b & 0xFFFFFFFFFFFF);
}

}  // namespace

CasClient::Calls::Calls(std::shared_ptr<grpc::Channel> channel, Options options)
    : options_(std::move(options)),
      channel_(channel),
      cas_(reapi::ContentAddressableStorage::NewStub(channel)),
      capabilities_(reapi::Capabilities::NewStub(channel)),
      stream_(google::bytestream::ByteStream::NewStub(channel)) {}

absl::Status CasClient::Calls::Repeat(absl::string_view what,
                                      const std::function<absl::Status()>& attempt) const {
  absl::Duration pause = options_.first_pause;
  for (int tries = 1;; ++tries) {
    absl::Status status = attempt();
    if (!absl::IsUnavailable(status)) return AddContext(status, what);
    if (tries >= options_.max_attempts) {
      return AddContext(status, absl::StrCat(what, " (gave up after ", tries, " attempts)"));
    }
    // Clients that lost the same server shall not come back at the same instant.
    absl::BitGen random;
    absl::SleepFor(pause * absl::Uniform(random, 0.5, 1.0));
    pause = std::min(pause * 2, kLongestPause);
  }
}

std::string CasClient::Calls::ResourcePrefix() const {
  return options_.instance.empty() ? "" : absl::StrCat(options_.instance, "/");
}

absl::Time CasClient::Calls::StreamDeadline(const Digest& digest) const {
  return absl::Now() + options_.call_deadline +
         options_.deadline_per_mib * (static_cast<double>(digest.size_bytes) / (1024 * 1024));
}

int64_t CasClient::Calls::BatchLimit() {
  {
    absl::MutexLock lock(&mutex_);
    if (server_batch_limit_ >= 0) return server_batch_limit_;
  }
  grpc::ClientContext context;
  SetDeadline(absl::Now() + options_.call_deadline, &context);
  reapi::GetCapabilitiesRequest request;
  request.set_instance_name(options_.instance);
  reapi::ServerCapabilities answer;
  const grpc::Status status = capabilities_->GetCapabilities(&context, request, &answer);
  const bool has_none = status.error_code() == grpc::StatusCode::UNIMPLEMENTED;
  // A server that can't be asked now fails the call that follows, which says so better.
  if (!status.ok() && !has_none) return options_.batch_limit_bytes;
  const int64_t theirs = answer.cache_capabilities().max_batch_total_size_bytes();
  const int64_t limit =
      theirs > 0 ? std::min(theirs, options_.batch_limit_bytes) : options_.batch_limit_bytes;
  absl::MutexLock lock(&mutex_);
  server_batch_limit_ = limit;
  return limit;
}

absl::StatusOr<std::vector<Digest>> CasClient::Calls::FindMissing(
    absl::Span<const Digest> digests) {
  std::vector<Digest> missing;
  for (size_t begin = 0; begin < digests.size(); begin += kDigestsPerRequest) {
    reapi::FindMissingBlobsRequest request;
    request.set_instance_name(options_.instance);
    for (const Digest& digest : digests.subspan(begin, kDigestsPerRequest)) {
      *request.add_blob_digests() = ToProto(digest);
    }
    reapi::FindMissingBlobsResponse answer;
    absl::Status status = Repeat("asking the blob service which blobs it lacks", [&] {
      grpc::ClientContext context;
      SetDeadline(absl::Now() + options_.call_deadline, &context);
      answer.Clear();
      return FromGrpc(cas_->FindMissingBlobs(&context, request, &answer));
    });
    if (!status.ok()) return status;
    for (const auto& proto : answer.missing_blob_digests()) {
      absl::StatusOr<Digest> digest = FromProto(proto);
      if (!digest.ok()) {
        return absl::InternalError(
            absl::StrCat("the blob service answered nonsense: ", digest.status().message()));
      }
      missing.push_back(*std::move(digest));
    }
  }
  return missing;
}

absl::Status CasClient::Calls::BatchUpdate(absl::Span<const Digest> digests, const Fill& fill) {
  using Request = reapi::BatchUpdateBlobsRequest;
  BatchMessage message;
  if (!options_.instance.empty()) {
    message.AppendField(Request::kInstanceNameFieldNumber, options_.instance);
  }
  for (size_t i = 0; i < digests.size(); ++i) {
    const std::string digest = ToProto(digests[i]).SerializeAsString();
    const size_t size_bytes = static_cast<size_t>(digests[i].size_bytes);
    message.BeginField(
        Request::kRequestsFieldNumber,
        BatchMessage::SizeOfField(Request::Request::kDigestFieldNumber, digest.size()) +
            BatchMessage::SizeOfField(Request::Request::kDataFieldNumber, size_bytes));
    message.AppendField(Request::Request::kDigestFieldNumber, digest);
    message.BeginField(Request::Request::kDataFieldNumber, size_bytes);
    if (absl::Status status = fill(i, message.Extend(size_bytes)); !status.ok()) return status;
  }
  const grpc::ByteBuffer request = message.Take();
  const grpc::internal::RpcMethod method(
      "/build.bazel.remote.execution.v2.ContentAddressableStorage/BatchUpdateBlobs",
      grpc::internal::RpcMethod::NORMAL_RPC);
  return Repeat("uploading a batch of blobs", [&]() -> absl::Status {
    grpc::ClientContext context;
    SetDeadline(absl::Now() + options_.call_deadline, &context);
    reapi::BatchUpdateBlobsResponse answer;
    // As the stub does it, but for the request, which is bytes already.
    absl::Status status = FromGrpc(
        grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, reapi::BatchUpdateBlobsResponse,
                                          grpc::ByteBuffer, grpc::protobuf::MessageLite>(
            channel_.get(), method, &context, request, &answer));
    if (!status.ok()) return status;
    if (answer.responses_size() != static_cast<int>(digests.size())) {
      return absl::InternalError(absl::StrCat("the blob service answered for ",
                                              answer.responses_size(), " of ", digests.size(),
                                              " blobs"));
    }
    for (const auto& response : answer.responses()) {
      if (response.status().code() != 0) {
        return BlobStatus(Digest{response.digest().hash(), response.digest().size_bytes()},
                          response.status());
      }
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<std::string>> CasClient::Calls::BatchRead(
    absl::Span<const Digest> digests) {
  reapi::BatchReadBlobsRequest request;
  request.set_instance_name(options_.instance);
  for (const Digest& digest : digests) *request.add_digests() = ToProto(digest);
  reapi::BatchReadBlobsResponse answer;
  absl::Status status = Repeat("reading a batch of blobs", [&] {
    grpc::ClientContext context;
    SetDeadline(absl::Now() + options_.call_deadline, &context);
    answer.Clear();
    return FromGrpc(cas_->BatchReadBlobs(&context, request, &answer));
  });
  if (!status.ok()) return status;

  absl::flat_hash_map<Digest, reapi::BatchReadBlobsResponse::Response*> by_digest;
  for (auto& response : *answer.mutable_responses()) {
    by_digest[Digest{response.digest().hash(), response.digest().size_bytes()}] = &response;
  }
  std::vector<std::string> blobs;
  blobs.reserve(digests.size());
  for (const Digest& digest : digests) {
    const auto found = by_digest.find(digest);
    if (found == by_digest.end()) {
      return absl::InternalError(
          absl::StrCat("the blob service did not answer for blob ", digest.ToString()));
    }
    if (found->second->status().code() != 0) return BlobStatus(digest, found->second->status());
    if (DigestOf(found->second->data()) != digest) {
      return absl::DataLossError(
          absl::StrCat("blob ", digest.ToString(), ": the blob service sent wrong bytes"));
    }
    blobs.push_back(std::move(*found->second->mutable_data()));
  }
  return blobs;
}

absl::Status CasClient::Calls::StreamWrite(const Digest& digest, const OpenPieces& open) {
  return Repeat(absl::StrCat("uploading blob ", digest.ToString()), [&]() -> absl::Status {
    absl::StatusOr<Pieces> pieces = open();
    if (!pieces.ok()) return pieces.status();
    return WriteOnce(digest, *pieces);
  });
}

absl::Status CasClient::Calls::WriteOnce(const Digest& digest, Pieces& pieces) {
  grpc::ClientContext context;
  SetDeadline(StreamDeadline(digest), &context);
  google::bytestream::WriteResponse answer;
  const auto writer = stream_->Write(&context, &answer);
  google::bytestream::WriteRequest request;
  request.set_resource_name(absl::StrCat(ResourcePrefix(), "uploads/", RandomUuid(), "/blobs/",
                                         digest.hash, "/", digest.size_bytes));
  int64_t offset = 0;
  bool open = true;
  while (open && !request.finish_write()) {
    absl::StatusOr<absl::string_view> piece = pieces();
    if (piece.ok() && offset + static_cast<int64_t>(piece->size()) > digest.size_bytes) {
      piece = absl::InvalidArgumentError(
          "the content is longer than its digest says; did the "
          "file change while it was uploaded?");
    }
    if (!piece.ok()) {
      context.TryCancel();
      writer->Finish().IgnoreError();  // Ours is the reason.
      return piece.status();
    }
    request.set_write_offset(offset);
    request.set_data(piece->data(), piece->size());
    request.set_finish_write(piece->empty());
    offset += static_cast<int64_t>(piece->size());
    // False means that the server has answered, which it may do early if it has the blob.
    open = writer->Write(request);
    request.clear_resource_name();
  }
  if (open) writer->WritesDone();
  if (absl::Status status = FromGrpc(writer->Finish()); !status.ok()) return status;
  if (answer.committed_size() != digest.size_bytes) {
    return absl::InternalError(absl::StrCat("the blob service committed ", answer.committed_size(),
                                            " of ", digest.size_bytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CasClient::Calls::StreamRead(const Digest& digest, const Sink& sink) {
  Hasher hasher;
  absl::Status status = Repeat(absl::StrCat("reading blob ", digest.ToString()),
                               [&] { return ReadOnce(digest, &hasher, sink); });
  if (!status.ok()) return status;
  if (hasher.Finish() != digest) {
    return absl::DataLossError(
        absl::StrCat("blob ", digest.ToString(), ": the blob service sent wrong bytes"));
  }
  return absl::OkStatus();
}

absl::Status CasClient::Calls::ReadOnce(const Digest& digest, Hasher* hasher, const Sink& sink) {
  if (hasher->size_bytes() == digest.size_bytes) return absl::OkStatus();
  grpc::ClientContext context;
  SetDeadline(StreamDeadline(digest), &context);
  google::bytestream::ReadRequest request;
  request.set_resource_name(
      absl::StrCat(ResourcePrefix(), "blobs/", digest.hash, "/", digest.size_bytes));
  request.set_read_offset(hasher->size_bytes());
  const auto reader = stream_->Read(&context, request);
  google::bytestream::ReadResponse response;
  absl::Status refused;
  while (refused.ok() && reader->Read(&response)) {
    if (hasher->size_bytes() + static_cast<int64_t>(response.data().size()) > digest.size_bytes) {
      refused = absl::DataLossError("the blob service sent too many bytes");
    } else {
      hasher->Update(response.data());
      refused = sink(response.data());
    }
  }
  if (!refused.ok()) {
    context.TryCancel();
    reader->Finish().IgnoreError();  // Ours is the reason.
    return refused;
  }
  if (absl::Status status = FromGrpc(reader->Finish()); !status.ok()) return status;
  if (hasher->size_bytes() != digest.size_bytes) {
    return absl::DataLossError(absl::StrCat("the blob service ended after ", hasher->size_bytes(),
                                            " of ", digest.size_bytes, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace rally::blob
