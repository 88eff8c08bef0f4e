#ifndef RALLY_COMMON_PIPELINE_PIPELINE_JSON_H_
#define RALLY_COMMON_PIPELINE_PIPELINE_JSON_H_

#include <string>

#include "common/pipeline/parser.h"

namespace rally::pipeline {

// The machine's view of a parse (LANGUAGE.md 11), as one JSON object that ends in a newline:
//   {"ok": true, "order": [ids], "edges": [[from, to]], "steps": {id: {...}}, "stepTimeout_ns",
//    "totalTimeout_ns", "push", "secrets": {env: {"vault", "name", "version"}}, "conflict",
//    "warnings": [text]}
// or, when there is an error,
//   {"ok": false, "errors": [{"line", "column", "message"}], "warnings": [text]}
// A finding about another file than the pipeline has a "file" as well. Equal results give equal
// bytes. No secret's value is in it, as none is known.
std::string PipelineJson(const ParseResult& result);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_PIPELINE_JSON_H_
