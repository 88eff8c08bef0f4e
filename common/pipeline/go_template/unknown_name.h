#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_UNKNOWN_NAME_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_UNKNOWN_NAME_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/value.h"

namespace rally::go_template {

// What to tell the writer of a template about a name that doesn't exist: what was probably meant,
// or why there is no such thing.

std::string UnknownFunction(absl::string_view name);

// `name` with its $.
std::string UndefinedVariable(absl::string_view name,
                              const std::vector<absl::string_view>& variables);

// `prefix` + "." + `name` was asked for: "" for the top level, ".Build" for what is below it.
std::string UnknownField(absl::string_view prefix, absl::string_view name,
                         const Value::Map& fields);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_UNKNOWN_NAME_H_
