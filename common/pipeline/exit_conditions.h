#ifndef RALLY_COMMON_PIPELINE_EXIT_CONDITIONS_H_
#define RALLY_COMMON_PIPELINE_EXIT_CONDITIONS_H_

#include "common/pipeline/diagnostic_list.h"
#include "common/pipeline/key_check.h"
#include "common/pipeline/model.h"

namespace rally::pipeline {

// Reads exitedWith and exitedWithout into the step. Reports empty lists and what is no exit code.
void ReadExitConditions(const CheckedTable& keys, Step* step, DiagnosticList* diagnostics);

// Reports conditions that can never hold, and warns of those that have nothing to look at. To be
// called for steps with a valid id, after their dependencies are resolved.
void CheckExitConditions(const CheckedTable& keys, const Step& step, DiagnosticList* diagnostics);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_EXIT_CONDITIONS_H_
