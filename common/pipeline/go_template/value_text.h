#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_VALUE_TEXT_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_VALUE_TEXT_H_

#include <string>

#include "absl/status/status.h"
#include "common/pipeline/go_template/budget.h"
#include "common/pipeline/go_template/value.h"

namespace rally::go_template {

// Appends the value as `print` shows it, which is Go's %v: "true", "1e+06", "[a b]", "map[a:1]".
// InvalidArgument for nil, also inside a list or map: a missing value has no text.
// ResourceExhausted when *text would grow over the budget.
absl::Status AppendText(const Value& value, Budget* budget, std::string* text);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_VALUE_TEXT_H_
