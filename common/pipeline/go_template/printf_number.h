#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_PRINTF_NUMBER_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_PRINTF_NUMBER_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/bounded_text.h"
#include "common/pipeline/go_template/printf_format.h"

namespace rally::go_template {

// Numbers as printf shows them; the directive's verb must be one for that kind of number.

// Appends `text` and fills it up to the directive's width, counted in characters.
void AppendPadded(absl::string_view text, const Directive& directive, BoundedText* out);

// v d b o O x X
void AppendInteger(int64_t value, const Directive& directive, BoundedText* out);

// U
void AppendCodePoint(int64_t value, const Directive& directive, BoundedText* out);

// v b g G x X f F e E
void AppendFloat(double value, const Directive& directive, BoundedText* out);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_PRINTF_NUMBER_H_
