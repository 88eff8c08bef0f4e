#ifndef RALLY_RALLYCTL_PIPELINE_FILE_H_
#define RALLY_RALLYCTL_PIPELINE_FILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pipeline/model.h"
#include "common/pipeline/parser.h"

namespace rally::rallyctl {

// A rally.toml as it was read, and what the parser found.
struct PipelineFile {
  std::string name;  // For messages: as the user named it.
  std::string text;
  pipeline::ParseResult parsed;

  bool ok() const { return parsed.pipeline.has_value(); }
  // Its folder, "." for a file in the current one or for standard input.
  std::string Folder() const;
  // Every finding on lines of its own, with the source line and a caret when `caret`.
  std::string FormatFindings(bool caret) const;
};

// `path` may be "-" for standard input. NotFound and others name the file; findings of the parser
// are no error here.
absl::StatusOr<PipelineFile> ReadPipelineFile(const std::string& path);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_PIPELINE_FILE_H_
