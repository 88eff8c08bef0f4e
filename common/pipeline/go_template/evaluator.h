#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_EVALUATOR_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_EVALUATOR_H_

#include <optional>
#include <string>

#include "common/pipeline/go_template/budget.h"
#include "common/pipeline/go_template/syntax.h"
#include "common/pipeline/go_template/value.h"

namespace rally::go_template {

// Appends what the template makes of `data` to *text. A missing key is nil, and so is a field of
// nil; but the top-level map and the map under its "Build" are complete: a field that they don't
// have is a mistake, in branches that are not taken too as far as it shows. Recurses as deep as the
// syntax nests, no deeper. Every statement, pass of a loop and call charges the budget.
//
// Returns the first thing that is wrong; *text is then what came before.
std::optional<Failure> Evaluate(const Tree& tree, const Value& data, Budget* budget,
                                std::string* text);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_EVALUATOR_H_
