#ifndef RALLY_COMMON_PIPELINE_DIAGNOSTIC_H_
#define RALLY_COMMON_PIPELINE_DIAGNOSTIC_H_

#include <string>

#include "absl/strings/string_view.h"

namespace rally::pipeline {

enum class Severity {
  kError,    // The pipeline is refused.
  kWarning,  // The pipeline is accepted, but probably not what its writer meant.
};

// One finding about a rally.toml. Lines and columns count from 1; columns count bytes, as editors
// and compilers that read FILE:LINE:COL expect. Line 0 speaks of the file as a whole.
struct Diagnostic {
  Severity severity = Severity::kError;
  int line = 0;
  int column = 0;
  std::string message;
  // The file of values that it speaks of; "" = the pipeline itself. Of such a file there is no
  // source line to show.
  std::string file;
};

// "FILE:LINE:COL: error: MESSAGE", without a final newline. With `caret`, and a `source` that has
// the line, the source line and a caret below the column follow on two lines of their own.
std::string Format(const Diagnostic& diagnostic, absl::string_view file, absl::string_view source,
                   bool caret);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_DIAGNOSTIC_H_
