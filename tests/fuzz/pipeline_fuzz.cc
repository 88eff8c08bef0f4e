// Any bytes as a rally.toml: no crash, no hang; and what is accepted keeps the model's promises and
// is the same again when it is rendered and parsed.
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "common/pipeline/graph_text.h"
#include "common/pipeline/parser.h"
#include "common/pipeline/pipeline_json.h"
#include "common/pipeline/pipeline_toml.h"
#include "tests/fuzz/require.h"

namespace {

// All of a pipeline but the lines of its steps.
std::string Everything(const rally::pipeline::Pipeline& pipeline) {
  std::string text = rally::pipeline::PipelineJson({pipeline, {}});
  for (const rally::pipeline::Step& step : pipeline.steps) {
    text += step.image + '\n';
    text += step.command.image + '\n' + step.command.entry_point + '\n';
    for (const std::string& arg : step.command.args) text += arg + '\n';
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using rally::pipeline::Pipeline;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  rally::pipeline::Parameters parameters;
  parameters.values_files = {{"values.toml", "name = 'web'\nlist = ['a', 'b']\n[map]\nkey = 1\n"}};
  parameters.build = {{"Registry", "registry.example"}};
  const rally::pipeline::ParseResult result = rally::pipeline::Parse(text, parameters);
  REQUIRE(result.diagnostics.size() <= 42);
  if (!result.pipeline.has_value()) {
    REQUIRE(!result.diagnostics.empty());
    return 0;
  }
  const Pipeline& pipeline = *result.pipeline;
  REQUIRE(!pipeline.steps.empty());
  REQUIRE(pipeline.order.size() == pipeline.steps.size());
  std::vector<bool> out(pipeline.steps.size());
  for (const int index : pipeline.order) {
    const rally::pipeline::Step& step = pipeline.steps.at(static_cast<size_t>(index));
    for (const int dependency : step.dependencies) {
      REQUIRE(out.at(static_cast<size_t>(dependency)));
    }
    REQUIRE(!out.at(static_cast<size_t>(index)));
    out[static_cast<size_t>(index)] = true;
    REQUIRE(!step.command.image.empty());
    REQUIRE(step.timeout > absl::ZeroDuration());
  }
  REQUIRE(!RenderGraph(pipeline, rally::pipeline::GraphFormat::kText).empty());

  const std::string toml = PipelineToml(pipeline);
  // Templates make much of little.
  if (toml.size() > rally::pipeline::ParseLimits().max_bytes) return 0;
  const rally::pipeline::ParseResult again = rally::pipeline::Parse(toml, parameters);
  REQUIRE(again.pipeline.has_value());
  REQUIRE(Everything(*again.pipeline) == Everything(pipeline));
  REQUIRE(PipelineToml(*again.pipeline) == toml);
  return 0;
}
