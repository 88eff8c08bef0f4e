#include "controller/blob/action_cache_service.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/blob/digest_proto.h"
#include "common/blob/instance_name.h"
#include "controller/blob/digest_function.h"
#include "controller/blob/message_bulk.h"
#include "controller/blob/run_on_disk.h"

namespace rally::cas {
namespace {

namespace reapi = build::bazel::remote::execution::v2;

template <typename Request>
absl::StatusOr<blob::Digest> CheckCall(const Request& request, DigestFunctionField field) {
  if (absl::Status status = blob::CheckInstanceName(request.instance_name()); !status.ok())
    return status;
  const auto function = RequestedDigestFunction(request, field);
  if (!function.ok()) return function.status();
  return blob::FromProto(request.action_digest());
}

// Puts contents within a result as long as there is room; what doesn't fit, or was lost meanwhile,
// the client reads as a blob.
class Inliner {
 public:
  explicit Inliner(DiskStore* blobs) : blobs_(blobs) {}

  void Inline(const reapi::Digest& proto, std::string* contents) {
    absl::StatusOr<blob::Digest> digest = blob::FromProto(proto);
    if (!digest.ok() || digest->size_bytes > room_) return;
    absl::StatusOr<std::string> bytes = blobs_->ReadAll(*digest);
    if (!bytes.ok()) return;
    room_ -= digest->size_bytes;
    *contents = *std::move(bytes);
  }

 private:
  DiskStore* const blobs_;
  int64_t room_ = ActionCacheService::kMaxInlineBytes;
};

void InlineWhatWasAsked(const reapi::GetActionResultRequest& request, DiskStore* blobs,
                        reapi::ActionResult* result) {
  Inliner inliner(blobs);
  if (request.inline_stdout() && result->has_stdout_digest()) {
    inliner.Inline(result->stdout_digest(), result->mutable_stdout_raw());
  }
  if (request.inline_stderr() && result->has_stderr_digest()) {
    inliner.Inline(result->stderr_digest(), result->mutable_stderr_raw());
  }
  const absl::flat_hash_set<absl::string_view> wanted(request.inline_output_files().begin(),
                                                      request.inline_output_files().end());
  if (wanted.empty()) return;
  for (reapi::OutputFile& file : *result->mutable_output_files()) {
    if (wanted.contains(file.path())) {
      inliner.Inline(file.digest(), file.mutable_contents());
    }
  }
}

}  // namespace

grpc::ServerUnaryReactor* ActionCacheService::GetActionResult(grpc::CallbackServerContext* context,
                                                              const grpc::ByteBuffer* request_bytes,
                                                              grpc::ByteBuffer* response) {
  return RunOnDisk(threads_, context, [this, request_bytes, response]() -> absl::Status {
    reapi::GetActionResultRequest request;
    absl::Status valid = ParseWithinBulk(*request_bytes, &request);
    if (!valid.ok()) return valid;
    auto action = CheckCall(request, DigestFunctionField::kGetActionResult);
    if (!action.ok()) return action.status();
    absl::StatusOr<reapi::ActionResult> result = cache_->Get(request.instance_name(), *action);
    if (!result.ok()) return result.status();
    InlineWhatWasAsked(request, blobs_, &*result);
    return Serialize(*result, response);
  });
}

grpc::ServerUnaryReactor* ActionCacheService::UpdateActionResult(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request_bytes,
    grpc::ByteBuffer* response) {
  return RunOnDisk(threads_, context, [this, request_bytes, response]() -> absl::Status {
    reapi::UpdateActionResultRequest request;
    absl::Status valid = ParseWithinBulk(*request_bytes, &request);
    if (!valid.ok()) return valid;
    auto action = CheckCall(request, DigestFunctionField::kUpdateActionResult);
    if (!action.ok()) return action.status();
    if (cas::ActionCache::IsForStepResults(request.instance_name())) {
      return absl::PermissionDeniedError(
          absl::StrCat("instance '", request.instance_name(),
                       "' is kept for the results of steps, which clients can't write; use "
                       "another instance name"));
    }
    absl::Status status = cache_->Put(request.instance_name(), *action, request.action_result());
    return status.ok() ? Serialize(request.action_result(), response) : status;
  });
}

}  // namespace rally::cas
