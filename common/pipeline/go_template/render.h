#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_RENDER_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_RENDER_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/budget.h"
#include "common/pipeline/go_template/value.h"

namespace rally::go_template {

// Where in a template, from 1; columns count bytes.
struct TemplateError {
  int line = 1;
  int column = 1;
  std::string message;
};

struct Rendered {
  std::string text;                    // Only without an error.
  std::optional<TemplateError> error;  // The first.
};

// Renders one string by the rules of Go's text/template, as LANGUAGE.md 7.3 restricts them, with
// `data` as the dot and the $. A text without "{{" comes back as it is. Equal arguments give equal
// results; time and memory are bounded by `budget`, whatever the text.
Rendered Render(absl::string_view text, const Value& data, Budget* budget);

// The first error that Render finds without looking at its data.
std::optional<TemplateError> CheckTemplate(absl::string_view text);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_RENDER_H_
