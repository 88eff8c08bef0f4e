#include "common/pipeline/parser.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "common/pipeline/default_registry.h"
#include "common/pipeline/diagnostic_list.h"
#include "common/pipeline/duration.h"
#include "common/pipeline/exit_conditions.h"
#include "common/pipeline/graph_builder.h"
#include "common/pipeline/key_check.h"
#include "common/pipeline/key_table.h"
#include "common/pipeline/push_list.h"
#include "common/pipeline/secrets.h"
#include "common/pipeline/step_values.h"
#include "common/pipeline/string_renderer.h"
#include "common/pipeline/template_data.h"
#include "common/pipeline/toml_document.h"

namespace rally::pipeline {
namespace {

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

void ReadSteps(absl::Span<TomlValue> tables, const StepRules& rules, StringRenderer* renderer,
               DeclaredSecrets* secrets, Pipeline* pipeline, DiagnosticList* diagnostics) {
  pipeline->steps.resize(tables.size());
  std::vector<DraftStep> drafts;
  drafts.reserve(tables.size());
  for (TomlValue& table : tables) {
    DraftStep& draft = drafts.emplace_back();
    draft.step = &pipeline->steps[drafts.size() - 1];
    draft.step->line = table.position.line;
    draft.header = table.position;
    draft.keys = CheckKeys(KeyLevel::kStep, &table, renderer, diagnostics);
    ReadStepId(static_cast<int>(drafts.size()), &draft, diagnostics);
  }
  const StepIndex index = IndexSteps(&drafts, diagnostics);
  for (DraftStep& draft : drafts) ReadStepValues(rules, secrets, &draft, diagnostics);
  pipeline->order = BuildGraph(index, &drafts, diagnostics);
  for (const DraftStep& draft : drafts) {
    if (draft.has_valid_id) CheckExitConditions(draft.keys, *draft.step, diagnostics);
  }
}

void ReadPush(const CheckedTable& top, absl::string_view default_registry, Pipeline* pipeline,
              DiagnosticList* diagnostics) {
  const TomlValue* push = top.FindPartly(Key::kPush);
  if (push == nullptr || push->elements().empty()) {
    // It is put in front of what builds are tagged with, too.
    const absl::Status status = CheckDefaultRegistry(default_registry);
    if (!status.ok()) diagnostics->Error(Position(), std::string(status.message()));
    return;
  }
  std::vector<std::optional<std::string>> references;
  std::vector<Position> positions;
  for (const TomlValue& element : push->elements()) {
    references.push_back(IsRefused(element) ? std::nullopt : std::optional(element.string()));
    positions.push_back(element.position);
  }
  pipeline->push = NormalisePushList(references, positions, default_registry, diagnostics);
}

// The tables of the steps; none after an error.
absl::Span<TomlValue> FindSteps(const CheckedTable& top, const ParseLimits& limits,
                                DiagnosticList* diagnostics) {
  const absl::Span<TomlValue> tables = top.Tables(Key::kStep);
  if (tables.empty()) {
    if (!top.WasRefused(Key::kStep)) {
      const TomlValue* step = top.Find(Key::kStep);
      diagnostics->Error(step == nullptr ? kStartOfFile : step->position,
                         "no [[step]] in the pipeline");
    }
    return {};
  }
  const int count = static_cast<int>(tables.size());
  if (count > limits.max_steps) {
    diagnostics->Error(
        tables[static_cast<size_t>(std::max(limits.max_steps, 0))].position,
        absl::StrCat(count, " steps are more than the maximum of ", limits.max_steps));
    return {};
  }
  return tables;
}

std::optional<Pipeline> ReadPipeline(TomlValue* document, const ParseOptions& options,
                                     absl::string_view default_registry, StringRenderer* renderer,
                                     DiagnosticList* diagnostics) {
  Pipeline pipeline;
  const CheckedTable top = CheckKeys(KeyLevel::kTop, document, renderer, diagnostics);
  ReadTimeouts(top, options.limits, &pipeline, diagnostics);
  const TomlValue* conflict = top.Find(Key::kConflict);
  if (conflict != nullptr && conflict->string() == "error") {
    pipeline.conflict = ConflictPolicy::kError;
  }
  ReadPush(top, default_registry, &pipeline, diagnostics);
  DeclaredSecrets secrets(top, options.vault_suffix, renderer, diagnostics);

  const absl::Span<TomlValue> tables = FindSteps(top, options.limits, diagnostics);
  if (tables.empty()) return std::nullopt;
  const StepRules rules = {pipeline.step_timeout, options.limits.max_step_timeout, options.verbs};
  ReadSteps(tables, rules, renderer, &secrets, &pipeline, diagnostics);
  secrets.WarnOfUnused(diagnostics);
  if (diagnostics->error_count() > 0) return std::nullopt;

  ApplyDefaultRegistry(default_registry, pipeline.push, &pipeline.steps);
  pipeline.secrets = secrets.Take();
  return pipeline;
}

absl::string_view DefaultRegistry(const Parameters& parameters) {
  const auto found = parameters.build.find("Registry");
  return found == parameters.build.end() ? absl::string_view() : found->second;
}

}  // namespace

ParseResult Parse(absl::string_view text, const Parameters& parameters,
                  const ParseOptions& options) {
  DiagnosticList diagnostics;
  ParseResult result;
  StringRenderer renderer(BuildTemplateData(parameters, &diagnostics), &diagnostics);
  if (text.size() > options.limits.max_bytes) {
    diagnostics.Error(kStartOfFile, absl::StrCat("the file has more than the maximum of ",
                                                 options.limits.max_bytes, " bytes"));
  } else if (std::optional<TomlValue> document = ReadToml(text, &diagnostics)) {
    result.pipeline =
        ReadPipeline(&*document, options, DefaultRegistry(parameters), &renderer, &diagnostics);
  }
  // What is wrong with the parameters refuses the pipeline, however good its file is.
  if (diagnostics.error_count() > 0) result.pipeline.reset();
  result.diagnostics = diagnostics.Sorted();
  return result;
}

}  // namespace rally::pipeline
