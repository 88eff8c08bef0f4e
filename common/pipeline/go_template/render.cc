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

std::optional<TemplateError> ParseTree(absl::string_view text, Tree* tree) {
  if (text.size() > kMaxTemplateBytes) {
    return TemplateError{
        1, 1, absl::StrCat("the template is longer than ", kMaxTemplateBytes >> 20, " MiB")};
  }
  std::optional<Failure> failure = Parse(tree);
  if (!failure.has_value()) return std::nullopt;
  return AsError(text, *std::move(failure));
}

}  // namespace

std::optional<TemplateError> CheckTemplate(absl::string_view text) {
  if (!absl::StrContains(text, "{{")) return std::nullopt;
  Tree tree(text);
  return ParseTree(text, &tree);
}

Rendered Render(absl::string_view text, const Value& data, Budget* budget) {
  Rendered rendered;
  if (!absl::StrContains(text, "{{")) {
    rendered.text = std::string(text);
    return rendered;
  }
  Tree tree(text);
  rendered.error = ParseTree(text, &tree);
  if (rendered.error.has_value()) return rendered;
  budget->StartRender();
  std::optional<Failure> failure = Evaluate(tree, data, budget, &rendered.text);
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
