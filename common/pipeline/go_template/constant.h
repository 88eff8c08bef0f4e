#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_CONSTANT_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_CONSTANT_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/value.h"

namespace rally::go_template {

// The values of Go's literals, as they are written in a template. Errors: InvalidArgument, worded
// for the writer of the template.

// 12, -0x1F, 0b11, 0o17, 017, 1_000, 2.5, .5, 1e6, 0x1p-2. An int unless it has a point or
// exponent. Complex numbers are errors.
absl::StatusOr<Value> ParseNumber(absl::string_view literal);

// The int of a float without a fraction, where Go takes either as a constant; else `constant`.
Value AsIntIfWhole(Value constant);

// "text\n" with its quotes.
absl::StatusOr<Value> ParseString(absl::string_view literal);

// `text` with its quotes. No escapes; carriage returns are dropped, as in Go.
Value ParseRawString(absl::string_view literal);

// 'a' with its quotes: the character's number, an int.
absl::StatusOr<Value> ParseCharacter(absl::string_view literal);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_CONSTANT_H_
