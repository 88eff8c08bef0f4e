#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_RENDERING_FOR_TEST_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_RENDERING_FOR_TEST_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/value.h"

namespace rally::go_template {

struct RenderCase {
  absl::string_view text;
  // Of an error: "error: " and its message.
  std::string expected;
};

// What the cases see as the dot: .Values with list ["b", "a", "c"], map {x: 1, y: "two"},
// float 2.5, bytes "a\xFF" "b" (no UTF-8), long "9f8e7d6c5b4a", min and max of int64, inf and nan.
Value DataForTest();

std::string RenderedForTest(absl::string_view text);

// Expects each text to render so, within a budget of its own.
void ExpectRendered(const std::vector<RenderCase>& cases);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_RENDERING_FOR_TEST_H_
