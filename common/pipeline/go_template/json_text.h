#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_JSON_TEXT_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_JSON_TEXT_H_

#include "common/pipeline/go_template/bounded_text.h"
#include "common/pipeline/go_template/value.h"

namespace rally::go_template {

// Appends the value as Go's encoding/json writes it: on one line, keys sorted, the characters <, >
// and & escaped. Fails for nil, NaN and infinities.
void AppendJson(const Value& value, BoundedText* text);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_JSON_TEXT_H_
