#ifndef RALLY_COMMON_PIPELINE_VERB_REPAIRS_H_
#define RALLY_COMMON_PIPELINE_VERB_REPAIRS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic_list.h"

namespace rally::pipeline {

// The arguments after a verb, with what people write for `clone`, `build` and `set` put right
// (LANGUAGE.md 3):
//   clone: branch==X or branch=X is --branch=X; without an X it is left out.
//   build: -t latest, after an earlier -t NAME[:TAG], is -t NAME:latest.
//   set image: an IMAGE without a container is for all of them, *=IMAGE.
// The context of a build stays as it is, but a URL that is a git repository only by its host is
// spoken of, so is a build without a context, with several, or with a tag that no image can have.
//
// Each finding is a warning at its argument, and shows the result. `positions` are of the elements
// of `args`; `verb_position` stands in for the missing. Linear.
std::vector<std::string> RepairArguments(absl::string_view verb, std::vector<std::string> args,
                                         Position verb_position,
                                         const std::vector<Position>& positions,
                                         DiagnosticList* diagnostics);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_VERB_REPAIRS_H_
