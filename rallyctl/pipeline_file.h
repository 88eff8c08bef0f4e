#ifndef RALLY_RALLYCTL_PIPELINE_FILE_H_
#define RALLY_RALLYCTL_PIPELINE_FILE_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pipeline/model.h"
#include "common/pipeline/parser.h"
#include "rallyctl/pipeline_flags.h"

namespace rally::rallyctl {

// A rally.toml as it was read, what its templates were given, and what the parser found.
struct PipelineFile {
  std::string name;  // For messages: as the user named it.
  std::string text;
  pipeline::Parameters parameters;
  pipeline::ParseResult parsed;

  bool ok() const { return parsed.pipeline.has_value(); }
  // Its folder, "." for a file in the current one or for standard input.
  std::string Folder() const;
  // Every finding on lines of its own, with the source line and a caret when `caret`. A finding
  // about a file of values has that file's name and line.
  std::string FormatFindings(bool caret) const;
  // Its warnings, each as the controller words it.
  std::set<std::string> Warnings() const;
  // The name of the file that a finding is about, and its text when that is at hand.
  const std::string& NameOf(const pipeline::Diagnostic& diagnostic) const;
  absl::string_view TextOf(const pipeline::Diagnostic& diagnostic) const;
};

// Reads the file without looking into it. `path` may be "-" for standard input.
absl::StatusOr<PipelineFile> ReadPipelineText(const std::string& path);

// Fills in `parsed`. What the parser finds wrong is no error here.
void ParsePipeline(const PipelineInputs& inputs, PipelineFile* file);

// Both.
absl::StatusOr<PipelineFile> ReadPipelineFile(const std::string& path,
                                              const PipelineInputs& inputs);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_PIPELINE_FILE_H_
