#include "common/pipeline/string_renderer.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/pipeline/utf8.h"

namespace rally::pipeline {
namespace {

std::string LabelOf(absl::string_view key, int index) {
  if (index == StringRenderer::kNoIndex) return std::string(key);
  return absl::StrCat(key, "[", index, "]");
}

}  // namespace

StringRenderer::StringRenderer(std::optional<go_template::Value> data, DiagnosticList* diagnostics)
    : data_(std::move(data)), diagnostics_(*diagnostics) {}

bool StringRenderer::Render(absl::string_view key, int index, TomlValue* value) {
  if (!absl::StrContains(value->string(), "{{")) return true;
  if (!data_.has_value()) {
    const auto error = go_template::CheckTemplate(value->string());
    if (error.has_value()) Report(key, index, *value, *error);
    return false;
  }
  // Said once, where it happened; each further string would only repeat it.
  if (budget_.IsExhausted()) return false;
  go_template::Rendered rendered = go_template::Render(value->string(), *data_, &budget_);
  if (rendered.error.has_value()) {
    Report(key, index, *value, *rendered.error);
    return false;
  }
  // Functions work on bytes, so half a character can come out.
  if (!IsValidUtf8(rendered.text)) {
    diagnostics_.Error(value->position, absl::StrCat(LabelOf(key, index),
                                                     ": template: the result is not valid UTF-8"));
    return false;
  }
  value->content = std::move(rendered.text);
  return true;
}

void StringRenderer::Report(absl::string_view key, int index, const TomlValue& value,
                            const go_template::TemplateError& error) {
  const bool lacks_value =
      absl::StrContains(error.message, ".Values.") && absl::EndsWith(error.message, "has no value");
  diagnostics_.Error(
      value.position,
      absl::StrCat(LabelOf(key, index), ": template: ", error.line, ":", error.column, ": ",
                   error.message, lacks_value ? "; give it by --set or --values" : ""));
}

}  // namespace rally::pipeline
