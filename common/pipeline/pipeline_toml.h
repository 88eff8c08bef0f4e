#ifndef RALLY_COMMON_PIPELINE_PIPELINE_TOML_H_
#define RALLY_COMMON_PIPELINE_PIPELINE_TOML_H_

#include <string>

#include "common/pipeline/model.h"

namespace rally::pipeline {

// Writes the pipeline as a rally.toml without comments and with its templates rendered. Parsed
// again, with any values, the same default registry and the same options, it is the same pipeline
// but for Step::line. Equal pipelines give equal bytes.
std::string PipelineToml(const Pipeline& pipeline);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_PIPELINE_TOML_H_
