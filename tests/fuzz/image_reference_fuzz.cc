// Any bytes as an image reference; the normal form of what is read is its own normal form.
#include <cstdint>

#include "absl/strings/string_view.h"
#include "common/pipeline/image_reference.h"
#include "common/pipeline/push_list.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto reference = rally::pipeline::ParseImageReference(text);
  if (reference.ok()) {
    const auto again = rally::pipeline::ParseImageReference(reference->ToString());
    REQUIRE(again.ok());
    REQUIRE(again->ToString() == reference->ToString());
  } else {
    REQUIRE(!reference.status().message().empty());
  }
  for (const absl::string_view registry : {"", "registry.example:5000"}) {
    const auto push = rally::pipeline::PushReference(text, registry);
    if (push.ok()) REQUIRE(rally::pipeline::ParseImageReference(*push).ok());
  }
  if (rally::pipeline::IsOciPath(text)) {
    const auto path = rally::pipeline::ParseOciPath(text);
    REQUIRE(path.ok() || !path.status().message().empty());
  }
  return 0;
}
