#ifndef RALLY_COMMON_PIPELINE_KEY_SCHEMA_H_
#define RALLY_COMMON_PIPELINE_KEY_SCHEMA_H_

#include <string>

namespace rally::pipeline {

// A JSON Schema (draft-07, which editors of TOML read) of rally.toml, made from the table of keys:
// for completion and early marks in editors. It accepts whatever the parser accepts, templates
// included; the parser refuses more. Always the same text; ends in a newline.
std::string PipelineSchema();

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_KEY_SCHEMA_H_
