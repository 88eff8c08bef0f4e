#ifndef RALLY_AGENT_WORKSPACE_COPY_FILE_H_
#define RALLY_AGENT_WORKSPACE_COPY_FILE_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace rally::workspace {

// Makes dirfd/name, which doesn't exist, a file of its own with the first `size_bytes` bytes of
// `source`, a descriptor to be read from its beginning; sharing blocks where the filesystem can.
// Without an mtime it gets the present. Blocking: on the disk. On an error nothing is left there.
absl::Status CopyFile(int source, int64_t size_bytes, uint32_t mode,
                      std::optional<absl::Time> mtime, int dirfd, const char* name);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_COPY_FILE_H_
