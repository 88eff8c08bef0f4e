#include "common/pipeline/go_template/render.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/evaluator.h"
#include "common/pipeline/go_template/parser.h"
#include "common/pipeline/go_template/syntax.h"

namespace rally::go_template {
namespace {

// Nodes have 32 bits for a place in the text.
constexpr size_t kMaxTemplateBytes = size_t{16} << 20;

TemplateError AsError(absl::string_view text, Failure failure) {
  TemplateError error;
  error.message = std::move(failure.message);
  for (const char c : text.substr(0, failure.offset)) {
    if (c == '\n') {
      ++error.line;
      error.column = 1;
    } else {
      ++error.column;
    }
  }
  return error;
}

}  // namespace

Rendered Render(absl::string_view text, const Value& data, Budget* budget) {
  Rendered rendered;
  if (!absl::StrContains(text, "{{")) {
    rendered.text = std::string(text);
    return rendered;
  }
  if (text.size() > kMaxTemplateBytes) {
    rendered.error = TemplateError{
        1, 1, absl::StrCat("the template is longer than ", kMaxTemplateBytes >> 20, " MiB")};
    return rendered;
  }
  budget->StartRender();
  Tree tree(text);
  std::optional<Failure> failure = Parse(&tree);
  if (!failure.has_value()) failure = Evaluate(tree, data, budget, &rendered.text);
  if (!failure.has_value()) {
    const absl::Status status = budget->ChargeResult(rendered.text.size());
    if (!status.ok()) failure = Failure{0, std::string(status.message())};
  }
  if (failure.has_value()) {
    rendered.text.clear();
    rendered.error = AsError(text, *std::move(failure));
  }
  return rendered;
}

}  // namespace rally::go_template
