#ifndef RALLY_RALLYCTL_FINDINGS_FINDINGS_H_
#define RALLY_RALLYCTL_FINDINGS_FINDINGS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic.h"

// What lint found, as programs read it.
namespace rally::rallyctl {

// A finding and where it is.
struct Finding {
  std::string file;
  pipeline::Diagnostic diagnostic;
  // The column counted in characters, where the diagnostic's counts bytes.
  int character_column = 0;
};

// `text` is the file's, when it is at hand.
Finding MakeFinding(absl::string_view file, const pipeline::Diagnostic& diagnostic,
                    absl::string_view text);

// {"ok", "files", "errors", "warnings"}; each finding has file, line, column, code and message.
std::string FindingsJson(bool ok, const std::vector<std::string>& files,
                         const std::vector<Finding>& findings);

// One run in SARIF 2.1.0, the format of code scanners.
std::string FindingsSarif(const std::vector<Finding>& findings);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FINDINGS_FINDINGS_H_
