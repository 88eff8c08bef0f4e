#ifndef RALLY_COMMON_PIPELINE_STRING_RENDERER_H_
#define RALLY_COMMON_PIPELINE_STRING_RENDERER_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic_list.h"
#include "common/pipeline/go_template/budget.h"
#include "common/pipeline/go_template/render.h"
#include "common/pipeline/go_template/value.h"
#include "common/pipeline/toml_document.h"

namespace rally::pipeline {

// Renders the strings of one document in place, each by itself, all within one budget.
//
// Ownership: refers to the diagnostics, which must outlive it. Threads: not thread-safe.
class StringRenderer {
 public:
  static constexpr int kNoIndex = -1;

  // Without data no template can be rendered, which is no mistake of the template's: such strings
  // are refused without an error unless they are no templates, as what is wrong with the data has
  // one.
  StringRenderer(std::optional<go_template::Value> data, DiagnosticList* diagnostics);

  // Makes value->string, of `key` or its element `index`, what its template says. A string without
  // "{{" is left as it is. False after an error, at the string's position.
  bool Render(absl::string_view key, int index, TomlValue* value);

 private:
  void Report(absl::string_view key, int index, const TomlValue& value,
              const go_template::TemplateError& error);

  const std::optional<go_template::Value> data_;
  DiagnosticList& diagnostics_;
  go_template::Budget budget_;
};

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_STRING_RENDERER_H_
