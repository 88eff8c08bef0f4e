#include "agent/workspace/open_beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace rally::workspace {
namespace {

// Below PATH_MAX with its terminating NUL.
constexpr size_t kMaxPathBytes = 4000;

absl::StatusOr<FileDescriptor> OpenShort(int directory, absl::string_view path, int flags) {
  const std::string name = path.empty() ? "." : std::string(path);
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_NOFOLLOW | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  FileDescriptor fd(
      static_cast<int>(::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof(how))));
  if (!fd.valid()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("opening ", absl::CHexEscape(name)));
  }
  return fd;
}

}  // namespace

absl::StatusOr<FileDescriptor> OpenBeneath(int directory, absl::string_view path, int flags) {
  FileDescriptor parent;
  while (path.size() > kMaxPathBytes) {
    const size_t slash = path.rfind('/', kMaxPathBytes);
    if (slash == absl::string_view::npos) break;  // The kernel says ENAMETOOLONG.
    auto next = OpenShort(parent.valid() ? parent.get() : directory, path.substr(0, slash),
                          O_PATH | O_DIRECTORY);
    if (!next.ok()) return next.status();
    parent = *std::move(next);
    path.remove_prefix(slash + 1);
  }
  return OpenShort(parent.valid() ? parent.get() : directory, path, flags);
}

absl::StatusOr<FileDescriptor> Reopen(int fd, int flags) {
  FileDescriptor result(
      ::open(absl::StrCat("/proc/self/fd/", fd).c_str(), (flags & ~O_NOFOLLOW) | O_CLOEXEC));
  if (!result.valid()) return absl::ErrnoToStatus(errno, "opening a file of the workspace");
  return result;
}

}  // namespace rally::workspace
