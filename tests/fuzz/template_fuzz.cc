// Any bytes as a template: no crash, no hang, no result beyond its bound, the same twice.
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/render.h"
#include "tests/fuzz/require.h"

namespace {

using rally::go_template::Value;

Value Data() {
  const Value::Map values = {
      {"name", Value(std::string("web"))},
      {"replicas", Value(int64_t{3})},
      {"ratio", Value(0.5)},
      {"enabled", Value(true)},
      {"list", Value(Value::List{Value(std::string("a")), Value(int64_t{2}), Value()})},
      {"map", Value(Value::Map{{"key", Value(std::string("value"))}})}};
  return Value(Value::Map{{"Build", Value(Value::Map{{"ID", Value(std::string("b1"))}})},
                          {"Values", Value(values)}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Value* const root = new Value(Data());
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  rally::go_template::Budget budget;
  const rally::go_template::Rendered first = Render(text, *root, &budget);
  rally::go_template::Budget again;
  const rally::go_template::Rendered second = Render(text, *root, &again);
  REQUIRE(first.text == second.text);
  REQUIRE(first.error.has_value() == second.error.has_value());
  if (first.error.has_value()) {
    REQUIRE(first.text.empty());
    REQUIRE(!first.error->message.empty());
    REQUIRE(first.error->message.size() < 2000);
    REQUIRE(first.error->line >= 1 && first.error->column >= 1);
  } else {
    REQUIRE(first.text.size() <= std::max(size, rally::go_template::Budget::kMaxStringBytes));
  }
  return 0;
}
