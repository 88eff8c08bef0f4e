#include "common/blob/cas_calls.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/blob/digest_proto.h"
#include "common/blob/reader_checks.h"
#include "common/blob/received_bytes.h"
#include "common/rpc/status.h"
#include "google/protobuf/arena.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/impl/codegen/proto_utils.h"

namespace rally::blob {
namespace {

namespace reapi = build::bazel::remote::execution::v2;

using rpc::FromGrpc;

constexpr char kBatchUpdateMethod[] =
    "/build.bazel.remote.execution.v2.ContentAddressableStorage/BatchUpdateBlobs";
constexpr char kBatchReadMethod[] =
    "/build.bazel.remote.execution.v2.ContentAddressableStorage/BatchReadBlobs";
constexpr absl::Duration kLongestPause = absl::Seconds(5);
// A full store may be about to make room, and some servers shed load with this status.
constexpr int kAttemptsWhenFull = 3;

absl::Status AddContext(const absl::Status& status, absl::string_view what) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

Digest DigestIn(const reapi::Digest& proto) { return Digest{proto.hash(), proto.size_bytes()}; }

BlobKey KeyIn(const reapi::Digest& proto) { return BlobKey::Of(proto.hash(), proto.size_bytes()); }

// Servers have various statuses for content that doesn't fit its digest, and none is needed.
absl::Status CheckContent(const BatchUpdate& batch) {
  for (const BatchUpdate::Part& part : batch.parts()) {
    if (DigestOf(part.bytes) != part.digest) return NotWhatItSays(part.digest);
  }
  return absl::OkStatus();
}

// A unary call whose messages are bytes.
grpc::Status CallWithBytes(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                           const grpc::ByteBuffer& request, grpc::ClientContext* context,
                           grpc::ByteBuffer* answer) {
  grpc::CompletionQueue queue;
  grpc::GenericStub stub(channel);
  const auto call = stub.PrepareUnaryCall(context, method, request, &queue);
  call->StartCall();
  grpc::Status ended;
  call->Finish(answer, &ended, nullptr);
  void* tag;
  bool ok;
  queue.Next(&tag, &ok);
  return ended;
}

}  // namespace

bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status) ||
         absl::IsResourceExhausted(status);
}

absl::Status NotWhatItSays(const Digest& digest) {
  return absl::InvalidArgumentError(
      absl::StrCat("blob ", digest.ToString(),
                   ": the content is not what its digest says; did the file change while it was "
                   "uploaded?"));
}

void SetDeadline(absl::Time deadline, grpc::ClientContext* context) {
  context->set_deadline(absl::ToChronoTime(deadline));
}

CasClient::Calls::Calls(std::shared_ptr<grpc::Channel> channel, Options options)
    : options_(std::move(options)),
      cas_(reapi::ContentAddressableStorage::NewStub(channel)),
      capabilities_(reapi::Capabilities::NewStub(channel)),
      byte_stream_(google::bytestream::ByteStream::NewStub(channel)),
      channel_(std::move(channel)) {}

absl::Status CasClient::Calls::Repeat(absl::string_view what,
                                      const std::function<absl::Status()>& attempt) const {
  absl::Duration pause = options_.first_pause;
  absl::Time give_up;
  for (int tries = 1;; ++tries) {
    absl::Status status = attempt();
    if (!MayPass(status)) return AddContext(status, what);
    // An attempt that worked for long before it failed takes nothing from it.
    if (tries == 1) give_up = absl::Now() + options_.patience;
    const bool full = absl::IsResourceExhausted(status);
    const int limit =
        full ? std::min(kAttemptsWhenFull, options_.max_attempts) : options_.max_attempts;
    const absl::Duration rest = give_up - absl::Now();
    if (tries >= limit && (full || rest <= absl::ZeroDuration())) {
      return AddContext(status, absl::StrCat(what, " (gave up after ", tries, " attempts)"));
    }
    // Clients that lost the same server shall not come back at the same instant.
    absl::BitGen random;
    const absl::Duration nap = pause * absl::Uniform(random, 0.5, 1.0);
    absl::SleepFor(tries < limit ? nap : std::min(nap, rest));
    pause = std::min(pause * 2, kLongestPause);
  }
}

absl::Status CasClient::Calls::FromServer(int code, absl::string_view message) const {
  const std::string said =
      !message.empty()
          ? std::string(message)
          : absl::StrCat(options_.name, code == grpc::StatusCode::NOT_FOUND ? " does not have it"
                                                                            : " gave no reason");
  return FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(code), said));
}

absl::Status CasClient::Calls::BlobStatus(const reapi::Digest& digest,
                                          const google::rpc::Status& status) const {
  if (status.code() == grpc::StatusCode::OK) return absl::OkStatus();
  return AddContext(FromServer(status.code(), status.message()),
                    absl::StrCat("blob ", DigestIn(digest).ToString()));
}

absl::StatusOr<reapi::ServerCapabilities> CasClient::Calls::AskCapabilities(absl::Time deadline) {
  grpc::ClientContext context;
  SetDeadline(deadline, &context);
  reapi::GetCapabilitiesRequest request;
  request.set_instance_name(options_.instance);
  reapi::ServerCapabilities answer;
  const grpc::Status status = capabilities_->GetCapabilities(&context, request, &answer);
  if (!status.ok()) return FromServer(status.error_code(), status.error_message());
  return answer;
}

absl::StatusOr<int64_t> CasClient::Calls::BatchLimit() {
  {
    absl::MutexLock lock(&mutex_);
    if (server_batch_limit_ >= 0) return server_batch_limit_;
  }
  int64_t theirs = 0;
  absl::Status status = Repeat(absl::StrCat("asking ", options_.name, " what it can do"), [&] {
    const auto answer = AskCapabilities(absl::Now() + options_.call_deadline);
    if (answer.ok()) theirs = answer->cache_capabilities().max_batch_total_size_bytes();
    return answer.status();
  });
  // One that doesn't know the question, or won't answer it to us, has no limit that we could know.
  if (MayPass(status) || absl::IsDeadlineExceeded(status)) return status;
  const int64_t limit =
      theirs > 0 ? std::min(theirs, options_.batch_limit_bytes) : options_.batch_limit_bytes;
  absl::MutexLock lock(&mutex_);
  server_batch_limit_ = limit;
  return limit;
}

absl::Status CasClient::Calls::FindMissing(absl::Span<const Digest> digests,
                                           absl::flat_hash_set<BlobKey>* missing) {
  google::protobuf::Arena arena;
  auto& request = *google::protobuf::Arena::CreateMessage<reapi::FindMissingBlobsRequest>(&arena);
  request.set_instance_name(options_.instance);
  for (const Digest& digest : digests) *request.add_blob_digests() = ToProto(digest);
  auto& answer = *google::protobuf::Arena::CreateMessage<reapi::FindMissingBlobsResponse>(&arena);
  absl::Status status =
      Repeat(absl::StrCat("asking ", options_.name, " which blobs it lacks"), [&] {
        grpc::ClientContext context;
        SetDeadline(absl::Now() + options_.call_deadline, &context);
        answer.Clear();
        const grpc::Status ended = cas_->FindMissingBlobs(&context, request, &answer);
        return FromServer(ended.error_code(), ended.error_message());
      });
  if (!status.ok()) return status;
  for (const auto& proto : answer.missing_blob_digests()) {
    if (absl::Status valid = ValidateDigest(proto.hash(), proto.size_bytes()); !valid.ok()) {
      return absl::InternalError(
          absl::StrCat(options_.name, " answered nonsense: ", valid.message()));
    }
    missing->insert(KeyIn(proto));
  }
  return absl::OkStatus();
}

absl::Status CasClient::Calls::UploadBatch(absl::Span<const Digest> digests, const Fill& fill) {
  BatchUpdate batch(options_.instance);
  for (size_t i = 0; i < digests.size(); ++i) {
    if (absl::Status status = fill(i, batch.Add(digests[i])); !status.ok()) return status;
  }
  const auto attempt = [&]() -> absl::Status {
    grpc::ClientContext context;
    SetDeadline(absl::Now() + options_.call_deadline, &context);
    grpc::ByteBuffer bytes;
    grpc::Status ended =
        CallWithBytes(channel_, kBatchUpdateMethod, batch.Message(), &context, &bytes);
    reapi::BatchUpdateBlobsResponse answer;
    if (ended.ok()) {
      ended =
          grpc::SerializationTraits<reapi::BatchUpdateBlobsResponse>::Deserialize(&bytes, &answer);
    }
    if (!ended.ok()) return FromServer(ended.error_code(), ended.error_message());
    absl::flat_hash_map<BlobKey, absl::Status> answers;
    for (const auto& response : answer.responses()) {
      absl::Status part = BlobStatus(response.digest(), response.status());
      // Of a blob that was sent twice one success is enough.
      auto& known = answers.try_emplace(KeyIn(response.digest()), part).first->second;
      if (IsStored(part)) known = std::move(part);
    }
    return KeepUnstored(answers, &batch);
  };
  absl::Status status =
      Repeat(absl::StrCat("uploading a batch of blobs to ", options_.name), attempt);
  if (status.ok() || MayPass(status)) return status;
  const absl::Status ours = CheckContent(batch);
  return ours.ok() ? status : ours;
}

absl::Status CasClient::Calls::KeepUnstored(
    const absl::flat_hash_map<BlobKey, absl::Status>& answers, BatchUpdate* batch) const {
  absl::Status first;
  std::vector<size_t> unstored;
  for (size_t i = 0; i < batch->parts().size(); ++i) {
    const Digest& digest = batch->parts()[i].digest;
    const auto found = answers.find(BlobKey::Of(digest));
    if (found == answers.end()) {
      return absl::InternalError(
          absl::StrCat(options_.name, " did not answer for blob ", digest.ToString()));
    }
    if (IsStored(found->second)) continue;
    // What is final counts more than what may pass.
    if (first.ok() || (MayPass(first) && !MayPass(found->second))) first = found->second;
    unstored.push_back(i);
  }
  if (!first.ok()) batch->Keep(unstored);
  return first;
}

absl::Status CasClient::Calls::BatchRead(absl::Span<const Digest> digests, const Take& take) {
  absl::flat_hash_map<BlobKey, size_t> wanted;
  for (size_t i = 0; i < digests.size(); ++i) wanted.emplace(BlobKey::Of(digests[i]), i);
  const std::string what = absl::StrCat("reading a batch of blobs from ", options_.name);
  absl::Status status =
      Repeat(what, [&] { return BatchReadOnce(digests, take, /*server_checks=*/false, &wanted); });
  if (!absl::IsDataLoss(status)) return status;
  return Repeat(what,
                [&] { return BatchReadOnce(digests, take, /*server_checks=*/true, &wanted); });
}

absl::Status CasClient::Calls::BatchReadOnce(absl::Span<const Digest> digests, const Take& take,
                                             bool server_checks,
                                             absl::flat_hash_map<BlobKey, size_t>* wanted) {
  google::protobuf::Arena arena;
  auto& request = *google::protobuf::Arena::CreateMessage<reapi::BatchReadBlobsRequest>(&arena);
  request.set_instance_name(options_.instance);
  for (const Digest& digest : digests) {
    if (wanted->contains(BlobKey::Of(digest))) *request.add_digests() = ToProto(digest);
  }
  grpc::ByteBuffer asked;
  bool own_buffer;
  grpc::SerializationTraits<reapi::BatchReadBlobsRequest>::Serialize(request, &asked, &own_buffer);
  grpc::ClientContext context;
  SetDeadline(absl::Now() + options_.call_deadline, &context);
  if (!server_checks) context.AddMetadata(kReaderChecks, "1");
  grpc::ByteBuffer bytes;
  const grpc::Status ended = CallWithBytes(channel_, kBatchReadMethod, asked, &context, &bytes);
  if (!ended.ok()) return FromServer(ended.error_code(), ended.error_message());
  auto& answer = *google::protobuf::Arena::CreateMessage<reapi::BatchReadBlobsResponse>(&arena);
  ReceivedBatch batch;
  const absl::Status parsed =
      batch.Parse(&bytes, reapi::BatchReadBlobsResponse::kResponsesFieldNumber,
                  reapi::BatchReadBlobsResponse::Response::kDataFieldNumber, &answer);
  if (!parsed.ok()) {
    return absl::InternalError(
        absl::StrCat(options_.name, " answered nonsense: ", parsed.message()));
  }
  absl::Status first;
  for (int i = 0; i < answer.responses_size(); ++i) {
    const reapi::Digest& digest = answer.responses(i).digest();
    const auto found = wanted->find(KeyIn(digest));
    absl::Status status = BlobStatus(digest, answer.responses(i).status());
    if (status.ok() && found == wanted->end()) continue;  // Not asked for, or once more.
    if (status.ok() && DigestOf(batch.Data(i)) != digests[found->second]) {
      status = absl::DataLossError(absl::StrCat("blob ", DigestIn(digest).ToString(), ": ",
                                                options_.name, " sent wrong bytes"));
    }
    if (status.ok()) {
      take(found->second, batch.Data(i));
      wanted->erase(found);
    } else if (first.ok() || (MayPass(first) && !MayPass(status))) {
      first = std::move(status);
    }
  }
  if (first.ok() && !wanted->empty()) {
    return absl::InternalError(absl::StrCat(options_.name, " did not answer for blob ",
                                            digests[wanted->begin()->second].ToString()));
  }
  return first;
}

}  // namespace rally::blob
