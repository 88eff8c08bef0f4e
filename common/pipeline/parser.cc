#include "common/pipeline/parser.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/pipeline/diagnostic_list.h"
#include "common/pipeline/duration.h"
#include "common/pipeline/graph_builder.h"
#include "common/pipeline/key_check.h"
#include "common/pipeline/key_table.h"
#include "common/pipeline/step_values.h"
#include "common/pipeline/toml_document.h"

namespace rally::pipeline {
namespace {

constexpr absl::Duration kDefaultStepTimeout = absl::Seconds(600);
constexpr absl::Duration kDefaultTotalTimeout = absl::Seconds(3600);
constexpr Position kStartOfFile = {1, 1};

void ReadTimeouts(const CheckedTable& top, const ParseLimits& limits, Pipeline* pipeline,
                  DiagnosticList* diagnostics) {
  // A default that the server doesn't allow is no mistake of the writer's.
  pipeline->step_timeout = std::min(kDefaultStepTimeout, limits.max_step_timeout);
  pipeline->total_timeout = std::min(kDefaultTotalTimeout, limits.max_total_timeout);
  const TomlValue* step = top.Find(Key::kStepTimeout);
  const TomlValue* total = top.Find(Key::kTotalTimeout);
  bool both = step != nullptr && total != nullptr;
  if (step != nullptr) {
    const auto timeout = ReadTimeout("stepTimeout", *step, limits.max_step_timeout, diagnostics);
    both = both && timeout.has_value();
    pipeline->step_timeout = timeout.value_or(pipeline->step_timeout);
  }
  if (total != nullptr) {
    const auto timeout = ReadTimeout("totalTimeout", *total, limits.max_total_timeout, diagnostics);
    both = both && timeout.has_value();
    pipeline->total_timeout = timeout.value_or(pipeline->total_timeout);
  }
  if (both && pipeline->total_timeout < pipeline->step_timeout) {
    diagnostics->Warning(
        total->position,
        absl::StrCat("totalTimeout ", FormatGoDuration(pipeline->total_timeout),
                     " is less than stepTimeout ", FormatGoDuration(pipeline->step_timeout),
                     ": a step gets at most what is left of the total"));
  }
}

std::vector<DraftStep> ReadSteps(const TomlValue& steps, const ParseLimits& limits,
                                 absl::Duration default_timeout, Pipeline* pipeline,
                                 DiagnosticList* diagnostics) {
  std::vector<DraftStep> drafts;
  drafts.reserve(steps.elements.size());
  for (const TomlValue& table : steps.elements) {
    DraftStep& draft = drafts.emplace_back();
    draft.header = table.position;
    draft.step.line = table.position.line;
    draft.keys = CheckKeys(table, KeyLevel::kStep, diagnostics);
    ReadStepId(static_cast<int>(drafts.size()), &draft, diagnostics);
  }
  const StepIndex index = IndexSteps(&drafts, diagnostics);
  for (DraftStep& draft : drafts) {
    ReadStepValues(default_timeout, limits.max_step_timeout, &draft, diagnostics);
  }
  pipeline->order = BuildGraph(index, &drafts, diagnostics);
  return drafts;
}

std::optional<Pipeline> ReadPipeline(const TomlValue& document, const ParseLimits& limits,
                                     DiagnosticList* diagnostics) {
  Pipeline pipeline;
  const CheckedTable top = CheckKeys(document, KeyLevel::kTop, diagnostics);
  ReadTimeouts(top, limits, &pipeline, diagnostics);

  const TomlValue* steps = top.Find(Key::kStep);
  if (steps == nullptr || steps->elements.empty()) {
    if (!top.WasRefused(Key::kStep)) {
      diagnostics->Error(steps == nullptr ? kStartOfFile : steps->position,
                         "no [[step]] in the pipeline");
    }
    return std::nullopt;
  }
  const int count = static_cast<int>(steps->elements.size());
  if (count > limits.max_steps) {
    diagnostics->Error(
        steps->elements[static_cast<size_t>(std::max(limits.max_steps, 0))].position,
        absl::StrCat(count, " steps are more than the maximum of ", limits.max_steps));
    return std::nullopt;
  }
  std::vector<DraftStep> drafts =
      ReadSteps(*steps, limits, pipeline.step_timeout, &pipeline, diagnostics);
  if (diagnostics->error_count() > 0) return std::nullopt;

  pipeline.steps.reserve(drafts.size());
  for (DraftStep& draft : drafts) {
    Step& step = pipeline.steps.emplace_back(std::move(draft.step));
    step.command = {step.image, step.entry_point, step.args};
  }
  return pipeline;
}

}  // namespace

ParseResult Parse(absl::string_view text, const Parameters& /*parameters*/,
                  const ParseOptions& options) {
  const ParseLimits& limits = options.limits;
  DiagnosticList diagnostics;
  ParseResult result;
  if (text.size() > limits.max_bytes) {
    diagnostics.Error(kStartOfFile,
                      absl::StrCat("the file has ", text.size(),
                                   " bytes, more than the maximum of ", limits.max_bytes));
  } else if (const std::optional<TomlValue> document = ReadToml(text, &diagnostics)) {
    result.pipeline = ReadPipeline(*document, limits, &diagnostics);
  }
  result.diagnostics = diagnostics.Sorted();
  return result;
}

}  // namespace rally::pipeline
