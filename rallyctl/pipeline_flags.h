#ifndef RALLY_RALLYCTL_PIPELINE_FLAGS_H_
#define RALLY_RALLYCTL_PIPELINE_FLAGS_H_

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "common/pipeline/parameters.h"
#include "common/pipeline/parser.h"

namespace rally::rallyctl {

// What a command line says about a pipeline beside its file.
struct PipelineFlags {
  std::vector<std::string> values;  // --values FILE
  std::vector<std::string> sets;    // --set a.b=v
  std::vector<std::string> build;   // --build NAME=VALUE
  std::string verbs;                // --verbs FILE; empty: the built-in table
};

// The flags that every command with a pipeline has.
void AddPipelineFlags(CLI::App* command, PipelineFlags* flags);

// What the flags name, read.
struct PipelineInputs {
  pipeline::Parameters parameters;
  pipeline::ParseOptions options;
};

// InvalidArgument for a file that can't be read or a --build that isn't NAME=VALUE or names
// nothing; what is in --values and --set is the parser's to judge.
absl::StatusOr<PipelineInputs> ReadPipelineInputs(const PipelineFlags& flags);

// The first `max_bytes` of a file; "-" is standard input. `what` ("the pipeline") is for messages.
absl::StatusOr<std::string> ReadInput(const std::string& what, const std::string& path,
                                      size_t max_bytes);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_PIPELINE_FLAGS_H_
