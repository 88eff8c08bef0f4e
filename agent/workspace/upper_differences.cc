#include "agent/workspace/upper_differences.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "agent/workspace/copy_file.h"
#include "common/blob/directory.h"
#include "common/blob/open_beneath.h"
#include "common/file_descriptor.h"

namespace rally::workspace {
namespace {

// Replacing an entry changes its directory's mtime, which is part of the tree and stays.
absl::Status ReplaceEntry(
    int upper, const std::string& path,
    absl::FunctionRef<absl::Status(int parent, const std::string& name)> replace) {
  const size_t slash = path.rfind('/');
  const std::string parent_path = slash == std::string::npos ? "" : path.substr(0, slash);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  auto parent = blob::OpenBeneath(upper, parent_path, O_RDONLY | O_DIRECTORY);
  if (!parent.ok()) return parent.status();
  struct stat before;
  if (::fstat(parent->get(), &before) != 0) return WorkspaceErrno("stat", parent_path);
  if (absl::Status status = replace(parent->get(), name); !status.ok()) return status;
  const timespec times[] = {before.st_atim, before.st_mtim};
  if (::futimens(parent->get(), times) != 0) {
    return WorkspaceErrno("setting the time of", parent_path);
  }
  return absl::OkStatus();
}

absl::Status ReplaceSpecialFile(int upper, const std::string& path, bool whiteout) {
  return ReplaceEntry(upper, path, [&](int parent, const std::string& name) {
    if (::unlinkat(parent, name.c_str(), 0) != 0) return WorkspaceErrno("removing", path);
    if (whiteout && ::mknodat(parent, name.c_str(), S_IFCHR, makedev(0, 0)) != 0) {
      return WorkspaceErrno("hiding", path);
    }
    return absl::OkStatus();
  });
}

absl::Status BreakHardLink(int upper, const std::string& path) {
  return ReplaceEntry(upper, path, [&](int parent, const std::string& name) {
    FileDescriptor file(
        ::openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat stat;
    if (!file.valid() || ::fstat(file.get(), &stat) != 0) return WorkspaceErrno("opening", path);
    // Its other names were replaced before.
    if (stat.st_nlink == 1) return absl::OkStatus();
    if (::unlinkat(parent, name.c_str(), 0) != 0) return WorkspaceErrno("removing", path);
    return CopyFile(file.get(), stat.st_size, stat.st_mode & 07777,
                    absl::TimeFromTimespec(stat.st_mtim), parent, name.c_str());
  });
}

absl::Status RemoveAttributes(int upper, const std::string& path) {
  auto fd = blob::OpenBeneath(upper, path, O_RDONLY | O_NONBLOCK);
  if (!fd.ok()) return fd.status();
  auto names = ListAttributes(fd->get(), path);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (IsOverlayAttribute(name) || IsHostLabel(name)) continue;
    if (::fremovexattr(fd->get(), name.c_str()) != 0 && errno != ENODATA) {
      return WorkspaceErrno("removing an extended attribute of", path);
    }
  }
  return absl::OkStatus();
}

absl::Status RemoveDifference(int upper, const UpperDifference& difference) {
  const std::string& path = difference.path;
  switch (difference.kind) {
    case UpperDifference::Kind::kSpecialFile:
      return ReplaceSpecialFile(upper, path, /*whiteout=*/false);
    case UpperDifference::Kind::kShadowing:
      return ReplaceSpecialFile(upper, path, /*whiteout=*/true);
    case UpperDifference::Kind::kAttributes:
      return RemoveAttributes(upper, path);
    case UpperDifference::Kind::kHardLink:
      return BreakHardLink(upper, path);
    case UpperDifference::Kind::kOwner:
    case UpperDifference::Kind::kMode:
      break;
  }
  auto fd = blob::OpenBeneath(upper, path, O_PATH);
  struct stat stat;
  if (!fd.ok()) return fd.status();
  if (::fstat(fd->get(), &stat) != 0) return WorkspaceErrno("stat", path);
  if (difference.kind == UpperDifference::Kind::kOwner) {
    if (::fchownat(fd->get(), "", 0, 0, AT_EMPTY_PATH) != 0)
      return WorkspaceErrno("chown of", path);
    return absl::OkStatus();
  }
  const std::string by_descriptor = absl::StrCat("/proc/self/fd/", fd->get());
  if (::chmod(by_descriptor.c_str(), stat.st_mode & blob::kModeMask) != 0) {
    return WorkspaceErrno("chmod of", path);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WorkspaceErrno(const char* what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", absl::CEscape(path)));
}

bool IsOverlayAttribute(absl::string_view name) {
  return absl::StartsWith(name, "trusted.overlay.");
}

bool IsHostLabel(absl::string_view name) {
  return name == "security.selinux" || name == "security.ima" || name == "security.evm" ||
         absl::StartsWith(name, "security.SMACK64");
}

absl::StatusOr<std::vector<std::string>> ListAttributes(int fd, const std::string& path) {
  std::string names(1024, '\0');
  while (true) {
    const ssize_t length = ::flistxattr(fd, names.data(), names.size());
    if (length >= 0) {
      names.resize(static_cast<size_t>(length));
      return absl::StrSplit(names, '\0', absl::SkipEmpty());
    }
    if (errno == ENOTSUP) return std::vector<std::string>();
    if (errno != ERANGE) return WorkspaceErrno("reading extended attributes of", path);
    names.resize(names.size() * 4);
  }
}

absl::Status RemoveDifferences(int upper, const std::vector<UpperDifference>& differences) {
  for (const UpperDifference& difference : differences) {
    const absl::Status status = RemoveDifference(upper, difference);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace rally::workspace
