#include "rallyctl/submission.h"

#include <unistd.h>

#include <utility>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/blob/capture_directory.h"
#include "common/blob/cas_client.h"
#include "rallyctl/git_facts.h"

namespace rally::rallyctl {
namespace {

// A context can lose blobs between the upload and Submit only when the store evicts them.
constexpr int kMaxTries = 3;
// What of .Build the controller gives itself.
constexpr char kBuildId[] = "ID";

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// The file that the flags mean.
std::string PipelinePathOf(const SubmissionFlags& flags) {
  static constexpr char kName[] = "rally.toml";
  if (!flags.file.empty()) return flags.file;
  if (!Exists(kName) && !flags.context.empty()) {
    const std::string inside = absl::StrCat(flags.context, "/", kName);
    if (Exists(inside)) return inside;
  }
  return kName;
}

std::string ContextOf(const SubmissionFlags& flags, const PipelineFile& pipeline) {
  return flags.context.empty() ? pipeline.Folder() : flags.context;
}

// What --build gives stands.
void AddGitFacts(const GitFacts& facts, pipeline::Parameters* parameters) {
  const std::pair<const char*, const std::string*> known[] = {{"Branch", &facts.branch},
                                                              {"Commit", &facts.commit},
                                                              {"Tag", &facts.tag},
                                                              {"Repository", &facts.repository}};
  for (const auto& [name, value] : known) {
    if (!value->empty()) parameters->build.emplace(name, *value);
  }
}

// Of a call whose answer didn't come: UNAVAILABLE and the deadline tell nothing about what it did.
bool LeavesItOpen(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

absl::Status MayHaveABuild(const absl::Status& status, bool interrupted) {
  return absl::Status(interrupted ? absl::StatusCode::kCancelled : status.code(),
                      absl::StrCat(status.message(),
                                   "\nThe build may have been accepted, and would go on: rallyctl "
                                   "list shows it then."));
}

void SetParameters(const pipeline::Parameters& parameters, v1::SubmitRequest* request) {
  for (const pipeline::ValuesFile& file : parameters.values_files) {
    v1::ValuesFile& values = *request->add_values_files();
    values.set_name(file.name);
    values.set_text(file.text);
  }
  for (const std::string& set : parameters.sets) request->add_set(set);
  for (const auto& [name, value] : parameters.build) {
    if (name == kBuildId) continue;
    (*request->mutable_build_parameters())[name] = value;
  }
}

}  // namespace

std::string RandomKey() {
  absl::BitGen random;
  return absl::StrCat(absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16),
                      absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16));
}

void AddSubmissionFlags(CLI::App* command, SubmissionFlags* flags) {
  command->add_option("-f,--file,FILE", flags->file,
                      "The pipeline (rally.toml here, or in the context; - reads stdin)");
  command->add_option("--context", flags->context,
                      "The folder that the steps start with (the pipeline's own)");
  AddPipelineFlags(command, &flags->pipeline);
  command->add_flag("--no-ignore", flags->context_options.no_ignore,
                    "Send also what .rallyignore, .dockerignore or .gitignore leave out");
  command->add_flag("--no-git", flags->context_options.no_git, "Send the context without .git");
  command->add_flag("--fail-fast", flags->fail_fast, "End the build with the first failed step");
}

absl::StatusOr<PipelineFile> ReadSubmission(const SubmissionFlags& flags, PipelineInputs inputs) {
  auto file = ReadPipelineText(PipelinePathOf(flags));
  if (!file.ok()) return file.status();
  if (absl::StrContains(file->text, "{{")) {
    AddGitFacts(ReadGitFacts(ContextOf(flags, *file)), &inputs.parameters);
  }
  ParsePipeline(inputs, &*file);
  return file;
}

absl::StatusOr<v1::SubmitResponse> SubmitBuild(Invocation& invocation, Connection& connection,
                                               const PipelineFile& pipeline,
                                               const SubmissionFlags& flags,
                                               SubmissionInterrupts* interrupts) {
  const std::string context = ContextOf(flags, pipeline);
  auto tree = ReadContext(invocation, context, flags.context_options);
  if (!tree.ok()) return tree.status();

  if (pipeline.parameters.build.count(kBuildId) > 0) {
    invocation.Say("warning: --build ID is left out: the controller gives the build its id");
  }

  absl::Status ready =
      connection.AwaitReady([&](const std::string& line) { invocation.Say(line); });
  if (!ready.ok()) return ready;

  v1::SubmitRequest request;
  request.set_idempotency_key(flags.key.empty() ? RandomKey() : flags.key);
  request.set_pipeline(pipeline.text);
  request.set_pipeline_name(pipeline.name);
  request.mutable_context()->set_hash(tree->root.hash);
  request.mutable_context()->set_size_bytes(tree->root.size_bytes);
  request.mutable_labels()->insert(flags.labels.begin(), flags.labels.end());
  request.set_fail_fast(flags.fail_fast);
  SetParameters(pipeline.parameters, &request);

  blob::CasClient store(connection.channel(), connection.StoreOptions());
  for (int attempt = 1;; ++attempt) {
    // Submit looks whether all is there. Asking about each file is for when it wasn't.
    const auto trust =
        attempt == 1 ? blob::UploadTrust::kKnownDirectories : blob::UploadTrust::kNothing;
    if (absl::Status status = UploadContext(invocation, store, *tree, trust); !status.ok()) {
      if (status.code() != absl::StatusCode::kUnavailable) return status;
      return connection.Unreachable(
          absl::StrCat(status.message(),
                       "; no build was made, and the same command goes on with what was uploaded"));
    }
    if (interrupts != nullptr) interrupts->BeginCall();
    v1::SubmitResponse response;
    absl::Status status = connection.Call([&](grpc::ClientContext* call) {
      return connection.builds()->Submit(call, request, &response);
    });
    if (status.ok()) {
      if (interrupts != nullptr) interrupts->EndWithBuild();
      return response;
    }
    if (LeavesItOpen(status)) {
      return MayHaveABuild(status, interrupts != nullptr && interrupts->interrupted());
    }
    if (status.code() != absl::StatusCode::kFailedPrecondition || attempt == kMaxTries) {
      return status;
    }
    if (interrupts != nullptr) interrupts->EndWithoutBuild();
  }
}

}  // namespace rally::rallyctl
