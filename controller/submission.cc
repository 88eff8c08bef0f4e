#include "controller/submission.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/blob/digest.h"
#include "common/blob/directory.h"
#include "common/pipeline/diagnostic.h"
#include "common/pipeline/utf8.h"
#include "controller/wire/build_wire.h"
#include "controller/wire/value_wire.h"

namespace rally::controller {
namespace {

constexpr size_t kKeyLimit = 256;
constexpr int kLabelLimit = 64;
constexpr int kMissingListed = 10;
constexpr int kValuesFileLimit = 64;
constexpr int kSetLimit = 4096;
constexpr size_t kValuesBytes = 1 << 20;
constexpr size_t kBuildParameterLimit = 4096;
constexpr int kBuildIdLength = 10;

// What is stored is read again by a strict reader: it must be UTF-8, also when it was cut.
std::string Shortened(const std::string& text) {
  return std::string(CutAtCharacter(text, kKeyLimit));
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

absl::Status CheckContext(const blob::Digest& context, const FindMissingInTree& find_missing) {
  auto missing = find_missing(context);
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

// What templates are rendered with. It is stored nowhere, so the bounds are those of one request.
absl::Status CheckParameters(const v1::SubmitRequest& request) {
  if (request.values_files_size() > kValuesFileLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("the submission has ", request.values_files_size(),
                     " files of values; at most ", kValuesFileLimit, " can be"));
  }
  size_t bytes = 0;
  for (const v1::ValuesFile& file : request.values_files()) bytes += file.text().size();
  for (const std::string& set : request.set()) bytes += set.size();
  if (bytes > kValuesBytes || request.set_size() > kSetLimit) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the values of the submission have ", bytes, " bytes and ", request.set_size(),
        " settings; at most ", kValuesBytes, " bytes and ", kSetLimit, " settings can be"));
  }
  if (request.build_parameters_size() > kLabelLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("the submission has ", request.build_parameters_size(),
                     " build parameters; at most ", kLabelLimit, " can be"));
  }
  for (const auto& [name, value] : request.build_parameters()) {
    if (name.empty() || name.size() > kKeyLimit || value.size() > kBuildParameterLimit) {
      return absl::InvalidArgumentError(
          absl::StrCat("build parameter \"", Shortened(name), "\": a name has 1 to ", kKeyLimit,
                       " characters, a value at most ", kBuildParameterLimit));
    }
    if (name == "ID") {
      return absl::InvalidArgumentError(
          "the build parameter \"ID\" is given by the controller; leave it out");
    }
  }
  return absl::OkStatus();
}

pipeline::Parameters ParametersOf(const v1::SubmitRequest& request, const std::string& build_id,
                                  absl::Time now) {
  pipeline::Parameters parameters;
  for (const v1::ValuesFile& file : request.values_files()) {
    parameters.values_files.push_back({Shortened(file.name()), file.text()});
  }
  parameters.sets.assign(request.set().begin(), request.set().end());
  parameters.build.insert(request.build_parameters().begin(), request.build_parameters().end());
  parameters.build["ID"] = build_id;
  parameters.build.emplace("Date", absl::FormatTime("%Y%m%d-%H%M%Sz", now, absl::UTCTimeZone()));
  return parameters;
}

// What the language has and the controller doesn't yet: better refused now than half done later.
absl::Status CheckIsPossible(const pipeline::Pipeline& pipeline) {
  for (const pipeline::Step& step : pipeline.steps) {
    if (step.secret_envs.empty()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("step \"", step.id, "\" wants the secret ", step.secret_envs.front(),
                     ", but this controller has no provider of secrets; take \"secretEnvs\" out "
                     "of the step to run the pipeline without it"));
  }
  if (!pipeline.push.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the pipeline pushes ", pipeline.push.front(),
                     ", but this controller can't push images; take \"push\" out to run the steps "
                     "alone"));
  }
  return absl::OkStatus();
}

// Everything that makes two submissions the same one. A part that isn't there leaves no trace: so
// keys from before the part was invented stay good.
class ContentHash {
 public:
  void Add(absl::string_view part) {
    hasher_.Update(absl::StrCat(part.size(), ":"));
    hasher_.Update(part);
  }
  template <typename Map>
  void AddSorted(const Map& map) {
    std::vector<std::string> entries;
    for (const auto& [name, value] : map) {
      entries.push_back(absl::StrCat(name.size(), ":", name, "=", value));
    }
    std::sort(entries.begin(), entries.end());
    for (const std::string& entry : entries) Add(entry);
  }
  std::string Finish() { return hasher_.Finish().hash; }

 private:
  blob::Hasher hasher_;
};

std::string HashContent(const v1::SubmitRequest& request, const core::Digest& context) {
  ContentHash hash;
  hash.Add(request.pipeline());
  hash.Add(context.hash);
  hash.AddSorted(request.labels());
  // No entry of a map begins with a letter, so these can't be mistaken for one.
  for (const v1::ValuesFile& file : request.values_files()) {
    hash.Add("values");
    hash.Add(file.text());
  }
  for (const std::string& set : request.set()) {
    hash.Add("set");
    hash.Add(set);
  }
  if (!request.build_parameters().empty()) hash.Add("build");
  hash.AddSorted(request.build_parameters());
  if (request.fail_fast()) hash.Add("fail-fast");
  return hash.Finish();
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
                                                     const pipeline::ParseOptions& options,
                                                     absl::Time now,
                                                     const FindMissingInTree& find_missing) {
  if (request.idempotency_key().empty() || request.idempotency_key().size() > kKeyLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("the idempotency key must have 1 to ", kKeyLimit, " characters"));
  }
  if (absl::Status status = CheckLabels(request); !status.ok()) return status;
  if (absl::Status status = CheckParameters(request); !status.ok()) return status;
  core::BuildSubmitted event;
  event.build_id = NewBuildId();
  event.idempotency_key = request.idempotency_key();
  event.pipeline_name =
      request.pipeline_name().empty() ? "rally.toml" : Shortened(request.pipeline_name());
  pipeline::ParseResult parsed =
      pipeline::Parse(request.pipeline(), ParametersOf(request, event.build_id, now), options);
  std::vector<std::string> errors;
  for (const pipeline::Diagnostic& diagnostic : parsed.diagnostics) {
    const std::string& file = diagnostic.file.empty() ? event.pipeline_name : diagnostic.file;
    std::string line = pipeline::Format(diagnostic, file, "", /*caret=*/false);
    (diagnostic.severity == pipeline::Severity::kError ? errors : event.warnings)
        .push_back(std::move(line));
  }
  if (!parsed.pipeline.has_value()) {
    return absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
  }
  if (absl::Status status = CheckIsPossible(*parsed.pipeline); !status.ok()) return status;
  blob::Digest context = blob::EmptyTreeDigest();
  if (!request.context().hash().empty()) {
    auto given = blob::ParseDigest(
        absl::StrCat(request.context().hash(), "/", request.context().size_bytes()));
    if (!given.ok()) return given.status();
    context = *given;
  }
  if (absl::Status status = CheckContext(context, find_missing); !status.ok()) return status;
  event.context = {context.hash, context.size_bytes};
  event.total_timeout = parsed.pipeline->total_timeout;
  event.steps.reserve(parsed.pipeline->steps.size());
  for (const pipeline::Step& step : parsed.pipeline->steps) {
    event.steps.push_back(wire::FromPipeline(step));
  }
  event.labels.insert(request.labels().begin(), request.labels().end());
  event.fail_on_conflict = parsed.pipeline->conflict == pipeline::ConflictPolicy::kError;
  event.fail_fast = request.fail_fast();
  event.content_hash = HashContent(request, event.context);
  return event;
}

}  // namespace rally::controller
