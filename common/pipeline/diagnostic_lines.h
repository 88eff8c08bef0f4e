#ifndef RALLY_COMMON_PIPELINE_DIAGNOSTIC_LINES_H_
#define RALLY_COMMON_PIPELINE_DIAGNOSTIC_LINES_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/pipeline/parser.h"

namespace rally::pipeline {

// For tests: each diagnostic as "LINE:COL: MESSAGE", warnings marked, and the file in front if it
// isn't the pipeline.
inline std::vector<std::string> Lines(const ParseResult& result) {
  std::vector<std::string> lines;
  for (const Diagnostic& d : result.diagnostics) {
    lines.push_back(absl::StrCat(d.file, d.file.empty() ? "" : ":", d.line, ":", d.column, ": ",
                                 d.severity == Severity::kWarning ? "warning: " : "", d.message));
  }
  return lines;
}

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_DIAGNOSTIC_LINES_H_
