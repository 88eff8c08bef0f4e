#include "common/blob/open_beneath.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/blob/file_digest.h"

namespace rally::blob {
namespace {

// The kernel's limit of one path, with room to spare.
constexpr size_t kLongestPath = 4000;

// One path short enough for one call. -1 and errno as openat.
int OpenShort(int directory_fd, const std::string& path, int flags) {
  static std::atomic<bool> has_openat2{true};
  flags |= O_CLOEXEC | O_NOFOLLOW;
  if (has_openat2) {
    open_how how = {};
    how.flags = static_cast<unsigned>(flags);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    const long fd = syscall(SYS_openat2, directory_fd, path.c_str(), &how, sizeof(how));
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return static_cast<int>(fd);
    // EPERM is what some sandboxes answer to a call that they don't know.
    if (errno == ENOSYS) has_openat2 = false;
  }
  int current = directory_fd;
  size_t begin = 0;
  while (true) {
    const size_t slash = path.find('/', begin);
    const std::string component = path.substr(begin, slash - begin);
    int fd = -1;
    if (component == "..") {
      errno = EXDEV;
    } else {
      const int how =
          slash == std::string::npos ? flags : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
      fd = openat(current, component.c_str(), how);
    }
    const int error = errno;
    if (current != directory_fd) close(current);
    errno = error;
    if (fd < 0 || slash == std::string::npos) return fd;
    current = fd;
    begin = slash + 1;
  }
}

}  // namespace

absl::StatusOr<FileDescriptor> OpenBeneath(int directory_fd, absl::string_view path, int flags) {
  FileDescriptor step;
  int current = directory_fd;
  absl::string_view rest = path.empty() ? "." : path;
  while (rest.size() > kLongestPath) {
    const size_t slash = rest.rfind('/', kLongestPath);
    if (slash == absl::string_view::npos || slash == 0) break;
    step = FileDescriptor(
        OpenShort(current, std::string(rest.substr(0, slash)), O_PATH | O_DIRECTORY));
    if (!step.valid()) {
      return ErrnoStatus(errno, absl::StrCat("opening '", absl::CEscape(path), "'"));
    }
    current = step.get();
    rest.remove_prefix(slash + 1);
  }
  FileDescriptor fd(OpenShort(current, std::string(rest), flags));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("opening '", absl::CEscape(path), "'"));
  }
  return fd;
}

absl::Status RemoveTree(int parent_fd, const std::string& name) {
  if (unlinkat(parent_fd, name.c_str(), 0) == 0 || errno == ENOENT) return absl::OkStatus();
  const std::string what = absl::StrCat("removing '", absl::CEscape(name), "'");
  if (errno != EISDIR && errno != EPERM) return ErrnoStatus(errno, what);
  FileDescriptor fd(
      openat(parent_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid() && errno == EACCES && fchmodat(parent_fd, name.c_str(), 0700, 0) == 0) {
    fd = FileDescriptor(
        openat(parent_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  }
  if (!fd.valid()) return ErrnoStatus(errno, what);
  if (geteuid() != 0) fchmod(fd.get(), 0700);
  const int directory_fd = fd.get();
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(fd.Release()), closedir);
  if (directory == nullptr) return ErrnoStatus(errno, what);
  while (const dirent* entry = readdir(directory.get())) {
    const std::string child = entry->d_name;
    if (child == "." || child == "..") continue;
    if (absl::Status status = RemoveTree(directory_fd, child); !status.ok()) return status;
  }
  if (unlinkat(parent_fd, name.c_str(), AT_REMOVEDIR) != 0) return ErrnoStatus(errno, what);
  return absl::OkStatus();
}

}  // namespace rally::blob
