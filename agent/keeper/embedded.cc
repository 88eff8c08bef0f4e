#include "agent/keeper/embedded.h"

// Defined by the linker; see the genrule that makes embedded_keeper.o.
extern "C" {
extern const char _binary_rally_keeper_start[];
extern const char _binary_rally_keeper_end[];
}

namespace rally::keeper {

absl::string_view EmbeddedKeeper() {
  return absl::string_view(_binary_rally_keeper_start,
                           _binary_rally_keeper_end - _binary_rally_keeper_start);
}

}  // namespace rally::keeper
