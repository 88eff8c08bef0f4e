#include "controller/submission.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/blob/digest.h"
#include "common/blob/directory.h"
#include "common/blob/tree.h"
#include "common/pipeline/diagnostic.h"
#include "controller/wire/build_wire.h"
#include "controller/wire/value_wire.h"

namespace rally::controller {
namespace {

constexpr size_t kKeyLimit = 256;
constexpr int kLabelLimit = 64;
constexpr int kMissingListed = 10;
constexpr int kBuildIdLength = 10;

// What is stored is read again by a strict reader: it must be UTF-8, also when it was cut.
std::string Shortened(const std::string& text) {
  std::string cut = text.substr(0, kKeyLimit);
  while (!blob::IsValidUtf8(cut)) cut.pop_back();
  return cut;
}

absl::Status CheckLabels(const v1::SubmitRequest& request) {
  if (request.labels_size() > kLabelLimit) {
    return absl::InvalidArgumentError(absl::StrCat("the submission has ", request.labels_size(),
                                                   " labels; at most ", kLabelLimit, " can be"));
  }
  for (const auto& [name, value] : request.labels()) {
    if (name.empty() || name.size() > kKeyLimit || value.size() > kKeyLimit) {
      return absl::InvalidArgumentError(absl::StrCat("label \"", Shortened(name),
                                                     "\": a name has 1 to ", kKeyLimit,
                                                     " characters, a value at most ", kKeyLimit));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckContext(const blob::Digest& context, blob::BlobStore& store,
                          blob::DirectoryReader& reader) {
  auto missing = blob::FindMissingInTree(store, reader, context);
  if (!missing.ok()) {
    return absl::Status(
        missing.status().code(),
        absl::StrCat("the context tree ", context.ToString(), ": ", missing.status().message()));
  }
  if (missing->empty()) return absl::OkStatus();
  std::vector<std::string> listed;
  for (const blob::Digest& digest : *missing) {
    if (listed.size() == kMissingListed) break;
    listed.push_back(digest.ToString());
  }
  const size_t more = missing->size() - listed.size();
  return absl::FailedPreconditionError(absl::StrCat(
      "the context isn't complete, upload these blobs and submit again: ",
      absl::StrJoin(listed, ", "), more > 0 ? absl::StrCat(" and ", more, " more") : ""));
}

// Everything that makes two submissions the same one.
std::string ContentHash(const v1::SubmitRequest& request, const core::Digest& context) {
  blob::Hasher hasher;
  auto add = [&hasher](const std::string& part) {
    hasher.Update(absl::StrCat(part.size(), ":"));
    hasher.Update(part);
  };
  add(request.pipeline());
  add(context.hash);
  std::vector<std::string> labels;
  for (const auto& [name, value] : request.labels()) {
    labels.push_back(absl::StrCat(name.size(), ":", name, "=", value));
  }
  std::sort(labels.begin(), labels.end());
  for (const std::string& label : labels) add(label);
  return hasher.Finish().hash;
}

}  // namespace

std::string NewBuildId() {
  static constexpr absl::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  absl::BitGen random;
  // A letter first, so that no tool takes it for a number.
  std::string id(1, kAlphabet[absl::Uniform(random, 0u, 26u)]);
  while (id.size() < kBuildIdLength) {
    id.push_back(kAlphabet[absl::Uniform(random, 0u, kAlphabet.size())]);
  }
  return id;
}

absl::StatusOr<core::BuildSubmitted> CheckSubmission(const v1::SubmitRequest& request,
                                                     const pipeline::ParseLimits& limits,
                                                     blob::BlobStore& store,
                                                     blob::DirectoryReader& reader) {
  if (request.idempotency_key().empty() || request.idempotency_key().size() > kKeyLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("the idempotency key must have 1 to ", kKeyLimit, " characters"));
  }
  if (absl::Status status = CheckLabels(request); !status.ok()) return status;
  core::BuildSubmitted event;
  event.idempotency_key = request.idempotency_key();
  event.pipeline_name =
      request.pipeline_name().empty() ? "rally.toml" : Shortened(request.pipeline_name());
  pipeline::ParseOptions options;
  options.limits = limits;
  pipeline::ParseResult parsed = pipeline::Parse(request.pipeline(), {}, options);
  std::vector<std::string> errors;
  for (const pipeline::Diagnostic& diagnostic : parsed.diagnostics) {
    std::string line = pipeline::Format(diagnostic, event.pipeline_name, "", /*caret=*/false);
    (diagnostic.severity == pipeline::Severity::kError ? errors : event.warnings)
        .push_back(std::move(line));
  }
  if (!parsed.pipeline.has_value()) {
    return absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
  }
  blob::Digest context = blob::EmptyTreeDigest();
  if (!request.context().hash().empty()) {
    auto given = blob::ParseDigest(
        absl::StrCat(request.context().hash(), "/", request.context().size_bytes()));
    if (!given.ok()) return given.status();
    context = *given;
  }
  if (absl::Status status = CheckContext(context, store, reader); !status.ok()) return status;
  event.context = {context.hash, context.size_bytes};
  event.total_timeout = parsed.pipeline->total_timeout;
  event.steps.reserve(parsed.pipeline->steps.size());
  for (const pipeline::Step& step : parsed.pipeline->steps) {
    auto definition = wire::FromPipeline(step);
    if (!definition.ok()) return definition.status();
    event.steps.push_back(*std::move(definition));
  }
  event.labels.insert(request.labels().begin(), request.labels().end());
  event.content_hash = ContentHash(request, event.context);
  event.build_id = NewBuildId();
  return event;
}

}  // namespace rally::controller
