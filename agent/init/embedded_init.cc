#include "agent/init/embedded_init.h"

// Made by the build from the linked executable (see BUILD.bazel).
extern "C" const char rally_embedded_init_begin[];
extern "C" const char rally_embedded_init_end[];

namespace rally::agent {

absl::string_view EmbeddedInit() {
  return {rally_embedded_init_begin,
          static_cast<size_t>(rally_embedded_init_end - rally_embedded_init_begin)};
}

}  // namespace rally::agent
