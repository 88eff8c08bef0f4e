#include "common/pipeline/go_template/rendering_for_test.h"

#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/pipeline/go_template/budget.h"
#include "common/pipeline/go_template/render.h"
#include "gtest/gtest.h"

namespace rally::go_template {

Value DataForTest() {
  const auto text = [](absl::string_view text) { return Value(std::string(text)); };
  const Value::Map values = {
      {"list", Value(Value::List{text("b"), text("a"), text("c")})},
      {"map", Value(Value::Map{{"x", Value(int64_t{1})}, {"y", text("two")}})},
      {"float", Value(2.5)},
      {"bytes", text("a\xFF"
                     "b")},
      {"long", text("9f8e7d6c5b4a")},
      {"min", Value(std::numeric_limits<int64_t>::min())},
      {"max", Value(std::numeric_limits<int64_t>::max())},
      {"inf", Value(std::numeric_limits<double>::infinity())},
      {"nan", Value(std::numeric_limits<double>::quiet_NaN())},
  };
  return Value(Value::Map{{"Build", Value(Value::Map{})}, {"Values", Value(values)}});
}

std::string RenderedForTest(absl::string_view text) {
  Budget budget;
  const Rendered rendered = Render(text, DataForTest(), &budget);
  if (rendered.error.has_value()) return absl::StrCat("error: ", rendered.error->message);
  return rendered.text;
}

void ExpectRendered(const std::vector<RenderCase>& cases) {
  for (const RenderCase& c : cases) EXPECT_EQ(RenderedForTest(c.text), c.expected) << c.text;
}

}  // namespace rally::go_template
