#ifndef RALLY_COMMON_BOOT_ID_H_
#define RALLY_COMMON_BOOT_ID_H_

#include <string>

#include "absl/status/statusor.h"

namespace rally {

// What the kernel calls this boot of the host; another one after each reboot. Blocking: hardly.
absl::StatusOr<std::string> ReadBootId();

}  // namespace rally

#endif  // RALLY_COMMON_BOOT_ID_H_
