#include "agent/workspace/reopen.h"

#include <errno.h>
#include <fcntl.h>

#include "absl/strings/str_cat.h"

namespace rally::workspace {

absl::StatusOr<FileDescriptor> Reopen(int fd, int flags) {
  FileDescriptor result(
      ::open(absl::StrCat("/proc/self/fd/", fd).c_str(), (flags & ~O_NOFOLLOW) | O_CLOEXEC));
  if (!result.valid()) return absl::ErrnoToStatus(errno, "opening a file of the workspace");
  return result;
}

}  // namespace rally::workspace
