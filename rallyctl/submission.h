#ifndef RALLY_RALLYCTL_SUBMISSION_H_
#define RALLY_RALLYCTL_SUBMISSION_H_

#include <map>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "common/blob/blob_store.h"
#include "rallyctl/commands/command.h"
#include "rallyctl/context_upload.h"
#include "rallyctl/pipeline_file.h"
#include "rallyctl/submission_interrupts.h"

namespace rally::rallyctl {

struct SubmissionFlags {
  std::string file;     // empty: rally.toml here, or in the context
  std::string context;  // empty: the pipeline's folder
  std::string key;      // empty: a random one
  std::map<std::string, std::string> labels;
  PipelineFlags pipeline;
  bool fail_fast = false;
  ContextOptions context_options;
};

// The flags that `submit` and `run` share: the pipeline, its context and its parameters.
void AddSubmissionFlags(CLI::App* command, SubmissionFlags* flags);

// Reads the pipeline that the flags mean, with what its context's git repository says for the
// templates that ask, and checks it.
absl::StatusOr<PipelineFile> ReadSubmission(const SubmissionFlags& flags, PipelineInputs inputs);

// Captures and uploads the context, and hands the build in; the answer means that it is durable.
// Safe against answers that get lost: each try carries the same key. Says on standard error what
// it does. `interrupts`, null when the caller sees to them itself, is told whether there is a
// build. Cancelled: there was an interrupt, and nobody knows.
absl::StatusOr<v1::SubmitResponse> SubmitBuild(Invocation& invocation, Connection& connection,
                                               const PipelineFile& pipeline,
                                               const SubmissionFlags& flags,
                                               SubmissionInterrupts* interrupts);

// 32 hexadecimal digits that nobody else has.
std::string RandomKey();

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_SUBMISSION_H_
