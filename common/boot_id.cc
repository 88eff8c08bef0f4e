#include "common/boot_id.h"

#include "absl/strings/ascii.h"
#include "common/read_file.h"

namespace rally {

absl::StatusOr<std::string> ReadBootId() {
  auto text = ReadFile("/proc/sys/kernel/random/boot_id");
  if (!text.ok()) return text.status();
  return std::string(absl::StripAsciiWhitespace(*text));
}

}  // namespace rally
