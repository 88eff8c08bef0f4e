#include "agent/workspace/directory_lock.h"

#include <errno.h>
#include <fcntl.h>

#include "absl/strings/str_cat.h"
#include "common/blob/file_digest.h"

namespace rally::workspace {

absl::StatusOr<FileDescriptor> LockDirectory(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/lock");
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return blob::ErrnoStatus(errno, absl::StrCat("opening ", path));
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(file.get(), F_SETLK, &lock) == 0) return file;
  if (errno != EACCES && errno != EAGAIN) {
    return blob::ErrnoStatus(errno, absl::StrCat("locking ", path));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "another process uses the workspaces in ", directory,
      "; is an agent running already? Two agents on a host need two data directories"));
}

}  // namespace rally::workspace
