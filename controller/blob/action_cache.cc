#include "controller/blob/action_cache.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/blob/digest_proto.h"
#include "controller/blob/message_bulk.h"
#include "controller/blob/result_references.h"

namespace rally::cas {
namespace {

namespace reapi = build::bazel::remote::execution::v2;

constexpr absl::string_view kStepResults = "rally";
constexpr int64_t kMaxActionBytes = 4 * 1024 * 1024;
constexpr size_t kMaxNamed = 5;

absl::Status Missing(const blob::Digest& action, const std::vector<blob::Digest>& missing) {
  std::string names;
  for (size_t i = 0; i < missing.size() && i < kMaxNamed; ++i) {
    absl::StrAppend(&names, i == 0 ? "" : ", ", missing[i].ToString());
  }
  if (missing.size() > kMaxNamed) absl::StrAppend(&names, ", and more");
  return absl::FailedPreconditionError(
      absl::StrCat("the result of action ", action.ToString(), " refers to ", missing.size(),
                   " blobs that are not in the store (", names, "); upload them before it"));
}

}  // namespace

bool ActionCache::IsForStepResults(absl::string_view instance) {
  return instance == kStepResults || absl::StartsWith(instance, absl::StrCat(kStepResults, "/"));
}

absl::StatusOr<reapi::ActionResult> ActionCache::Get(absl::string_view instance,
                                                     const blob::Digest& action) {
  absl::StatusOr<std::string> bytes = results_->Get(instance, action);
  if (!bytes.ok()) return bytes.status();
  reapi::ActionResult result;
  if (!result.ParseFromString(*bytes)) {
    return absl::NotFoundError(
        absl::StrCat("the result of action ", action.ToString(), " can't be read"));
  }
  absl::StatusOr<std::vector<blob::Digest>> missing = FindMissingReferences(*blobs_, result);
  if (absl::IsInvalidArgument(missing.status())) {
    return absl::NotFoundError(missing.status().message());
  }
  if (!missing.ok()) return missing.status();
  if (missing->empty()) return result;
  return absl::NotFoundError(absl::StrCat("the result of action ", action.ToString(),
                                          " is not complete any more: blob ",
                                          missing->front().ToString(), " is gone"));
}

absl::Status ActionCache::Put(absl::string_view instance, const blob::Digest& action,
                              reapi::ActionResult result) {
  if (absl::Status status = CheckAction(action); !status.ok()) return status;
  if (absl::Status status = MoveOut(&result); !status.ok()) return status;
  absl::StatusOr<std::vector<blob::Digest>> missing = FindMissingReferences(*blobs_, result);
  if (!missing.ok()) return missing.status();
  if (!missing->empty()) return Missing(action, *missing);
  const std::string bytes = result.SerializeAsString();
  if (bytes.size() > kMaxResultBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the result of action ", action.ToString(),
                                                   " has ", bytes.size(), " bytes; it may have ",
                                                   kMaxResultBytes));
  }
  return results_->Put(instance, action, bytes);
}

absl::Status ActionCache::CheckAction(const blob::Digest& action) {
  if (action.size_bytes > kMaxActionBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("blob ", action.ToString(), " is too large to be an action"));
  }
  absl::StatusOr<std::string> bytes = blobs_->ReadAll(action);
  if (absl::IsNotFound(bytes.status())) return Missing(action, {action});
  if (!bytes.ok()) return bytes.status();
  reapi::Action message;
  if (!ParseWithinBulk(*bytes, &message).ok()) {
    return absl::InvalidArgumentError(absl::StrCat("blob ", action.ToString(), " is no action"));
  }
  if (message.do_not_cache()) {
    return absl::InvalidArgumentError(
        absl::StrCat("action ", action.ToString(), " says that it must not be cached"));
  }
  absl::StatusOr<blob::Digest> command = blob::FromProto(message.command_digest());
  if (!command.ok()) return command.status();
  return blobs_->Contains(*command) ? absl::OkStatus() : Missing(action, {*command});
}

absl::Status ActionCache::MoveOut(reapi::ActionResult* result) {
  for (reapi::OutputFile& file : *result->mutable_output_files()) {
    if (file.contents().empty()) continue;
    absl::StatusOr<blob::Digest> digest = blob::FromProto(file.digest());
    if (!digest.ok()) return digest.status();
    if (absl::Status status = blobs_->WriteAll(*digest, file.contents()); !status.ok()) {
      return status;
    }
    file.clear_contents();
  }
  struct Stream {
    std::string* bytes;
    reapi::Digest* (reapi::ActionResult::*digest)();
  };
  for (const Stream& stream :
       {Stream{result->mutable_stdout_raw(), &reapi::ActionResult::mutable_stdout_digest},
        Stream{result->mutable_stderr_raw(), &reapi::ActionResult::mutable_stderr_digest}}) {
    if (stream.bytes->empty()) continue;
    const blob::Digest digest = blob::DigestOf(*stream.bytes);
    absl::Status status = blobs_->WriteAll(digest, *stream.bytes);
    if (!status.ok()) return status;
    *(result->*stream.digest)() = blob::ToProto(digest);
    stream.bytes->clear();
  }
  return absl::OkStatus();
}

}  // namespace rally::cas
