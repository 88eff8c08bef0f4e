#include "agent/workspace/copy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "common/blob/file_digest.h"
#include "common/file_descriptor.h"

namespace rally::workspace {
namespace {

absl::Status CopyBytes(int from, int to, int64_t size_bytes) {
  off_t offset = 0;
  bool by_range = true;
  while (offset < size_bytes) {
    ssize_t copied = -1;
    const size_t chunk = static_cast<size_t>(std::min<int64_t>(size_bytes - offset, 1 << 30));
    if (by_range) copied = ::copy_file_range(from, &offset, to, nullptr, chunk, 0);
    if (copied < 0) {
      // Not every filesystem has it.
      by_range = false;
      copied = ::sendfile(to, from, &offset, chunk);
    }
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return blob::ErrnoStatus(errno, "copying a file");
    if (copied == 0) return absl::DataLossError("copying a file: it is shorter than it was");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CopyFile(int source, int64_t size_bytes, uint32_t mode,
                      std::optional<absl::Time> mtime, int dirfd, const char* name) {
  FileDescriptor to(
      ::openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!to.valid()) return blob::ErrnoStatus(errno, "making a file");
  timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
  if (mtime.has_value()) times[1] = absl::ToTimespec(*mtime);
  absl::Status status = CopyBytes(source, to.get(), size_bytes);
  if (status.ok() && (::fchmod(to.get(), mode) != 0 || ::futimens(to.get(), times) != 0)) {
    status = blob::ErrnoStatus(errno, "setting a file's mode and time");
  }
  if (!status.ok()) ::unlinkat(dirfd, name, 0);
  return status;
}

}  // namespace rally::workspace
