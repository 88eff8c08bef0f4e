#ifndef RALLY_COMMON_PIPELINE_TEMPLATE_DATA_H_
#define RALLY_COMMON_PIPELINE_TEMPLATE_DATA_H_

#include <optional>

#include "common/pipeline/diagnostic_list.h"
#include "common/pipeline/go_template/value.h"
#include "common/pipeline/parameters.h"

namespace rally::pipeline {

// The dot of all templates: a map with "Build", which has every name that can be asked for, and
// "Values". Reports what is wrong with the parameters, all of it, and gives nothing then. In a file
// of values the errors carry the file's name; of --set and --build they have no line.
std::optional<go_template::Value> BuildTemplateData(const Parameters& parameters,
                                                    DiagnosticList* diagnostics);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_TEMPLATE_DATA_H_
