#ifndef RALLY_COMMON_PIPELINE_STEP_VALUES_H_
#define RALLY_COMMON_PIPELINE_STEP_VALUES_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/pipeline/diagnostic_list.h"
#include "common/pipeline/key_check.h"
#include "common/pipeline/model.h"
#include "common/pipeline/secrets.h"
#include "common/pipeline/toml_document.h"
#include "common/pipeline/verb_table.h"

namespace rally::pipeline {

// A [[step]] on its way to becoming a Step.
//
// Ownership: points into the document and to the step, which must outlive it and stay where they
// are.
struct DraftStep {
  Step* step = nullptr;
  Position header;
  CheckedTable keys;
  // Where the id is written; empty line when it isn't.
  Position id_position;
  // The id is there, well formed and not used before. Without, nothing that depends on the step's
  // name is reported: it would follow from this error.
  bool has_valid_id = false;
};

// The id's own rules; whether it is used twice is for the graph to say. Fills in id, id_position
// and has_valid_id. `number` counts the steps from 1.
void ReadStepId(int number, DraftStep* draft, DiagnosticList* diagnostics);

// What steps are read with.
struct StepRules {
  absl::Duration default_timeout;  // The pipeline's stepTimeout.
  absl::Duration max_timeout;
  const VerbTable& verbs;
};

// Everything else that doesn't depend on other steps.
void ReadStepValues(const StepRules& rules, DeclaredSecrets* secrets, DraftStep* draft,
                    DiagnosticList* diagnostics);

// A timeout of any level: `value` is a string or an integer of seconds. Nothing after an error.
std::optional<absl::Duration> ReadTimeout(absl::string_view key, const TomlValue& value,
                                          absl::Duration max, DiagnosticList* diagnostics);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_STEP_VALUES_H_
