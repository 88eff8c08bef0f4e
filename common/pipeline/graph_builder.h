#ifndef RALLY_COMMON_PIPELINE_GRAPH_BUILDER_H_
#define RALLY_COMMON_PIPELINE_GRAPH_BUILDER_H_

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic_list.h"
#include "common/pipeline/step_values.h"

namespace rally::pipeline {

// Which step each id names. Ids that are refused are in it too: whoever waits for such a step makes
// no second mistake.
//
// Ownership: refers to the ids of the drafts, which must stay where they are.
using StepIndex = absl::flat_hash_map<absl::string_view, int>;

// Reports ids that are used twice, and takes has_valid_id from the later steps.
StepIndex IndexSteps(std::vector<DraftStep>* drafts, DiagnosticList* diagnostics);

// Resolves whenAll and the order of the file into Step::dependencies, and gives the steps'
// topological order. Reports unknown steps, repeated ones, self references and cycles; after an
// error the order is empty.
std::vector<int> BuildGraph(const StepIndex& index, std::vector<DraftStep>* drafts,
                            DiagnosticList* diagnostics);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_GRAPH_BUILDER_H_
