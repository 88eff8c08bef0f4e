#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_PARSER_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_PARSER_H_

#include <optional>

#include "common/pipeline/go_template/syntax.h"

namespace rally::go_template {

// Fills in the tree, which is empty yet, from its text. Costs time and memory in proportion to the
// text's length; a text that nests too deep or is far too long is an error. Everything that doesn't
// depend on the data is checked, in branches that are never taken too: names of functions and
// variables, numbers of arguments, `break` outside of a range.
//
// Returns the first thing that is wrong; then the tree is of no use.
std::optional<Failure> Parse(Tree* tree);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_PARSER_H_
