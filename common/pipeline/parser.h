#ifndef RALLY_COMMON_PIPELINE_PARSER_H_
#define RALLY_COMMON_PIPELINE_PARSER_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/pipeline/diagnostic.h"
#include "common/pipeline/model.h"
#include "common/pipeline/parameters.h"
#include "common/pipeline/verb_table.h"

namespace rally::pipeline {

// What a server allows. What is over is an error; nothing is lowered silently.
struct ParseLimits {
  absl::Duration max_step_timeout = absl::Hours(2);
  absl::Duration max_total_timeout = absl::Hours(6);
  int max_steps = 20000;
  size_t max_bytes = size_t{1} << 20;
};

// What a server's configuration says about pipelines.
struct ParseOptions {
  ParseLimits limits;
  VerbTable verbs = VerbTable::BuiltIn();
  // What follows the name of a vault that is written without its host.
  std::string vault_suffix = "vault.azure.net";
};

struct ParseResult {
  // Absent when any diagnostic is an error.
  std::optional<Pipeline> pipeline;
  // Sorted by line; see DiagnosticList for how many.
  std::vector<Diagnostic> diagnostics;
};

// Reads a rally.toml and renders its templates. Equal arguments give equal results: no file, clock
// or environment is looked at. Any bytes may be given; time and memory stay linear in their number.
ParseResult Parse(absl::string_view text, const Parameters& parameters = {},
                  const ParseOptions& options = {});

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_PARSER_H_
