#ifndef RALLY_COMMON_PIPELINE_VERB_USE_H_
#define RALLY_COMMON_PIPELINE_VERB_USE_H_

#include <vector>

#include "common/pipeline/diagnostic_list.h"
#include "common/pipeline/model.h"
#include "common/pipeline/verb_table.h"

namespace rally::pipeline {

// Where the parts of a step stand that findings about its command speak of.
struct CommandPositions {
  Position header;             // Of the [[step]].
  std::vector<Position> args;  // Of each element of args; where one is missing, the header.
};

// Fills in Step::verb and Step::command from its id, image, args and entry_point, which must be
// rendered (LANGUAGE.md 3). Not to be called for a step whose image or args were refused: an image
// that is not a valid reference is taken as it is written, an empty one as absent.
//
// False, with an error in `diagnostics`, if the step has neither an image nor a known verb; the
// step then has neither verb nor command. Each repair of a verb's arguments is a warning at the
// argument, and shows the result.
bool ResolveCommand(const VerbTable& verbs, const CommandPositions& positions, Step* step,
                    DiagnosticList* diagnostics);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_VERB_USE_H_
