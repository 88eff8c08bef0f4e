#include "rallyctl/fetch/target_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/blob/file_digest.h"

namespace rally::rallyctl {
namespace {

std::string ParentOf(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status CheckWritable(const std::string& folder) {
  if (faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("cannot write into the folder ", folder, ": ", std::strerror(errno)));
}

}  // namespace

absl::Status CheckTarget(const std::string& path) {
  if (path.empty()) {
    return absl::FailedPreconditionError("--to names no folder; --to . means this one");
  }
  const auto cannot = [&path](auto... why) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot put files into the folder ", path, ": ", why...));
  };
  struct stat found;
  if (stat(path.c_str(), &found) == 0) {
    return S_ISDIR(found.st_mode) ? CheckWritable(path)
                                  : cannot("it is a file; give a folder with --to");
  }
  if (errno != ENOENT && errno != ENOTDIR) return cannot(std::strerror(errno));
  if (lstat(path.c_str(), &found) == 0) return cannot("it is a link to what isn't there");
  const std::string parent = ParentOf(path);
  if (stat(parent.c_str(), &found) != 0) {
    if (errno != ENOENT) return cannot(parent, ": ", std::strerror(errno));
    return cannot("there is no ", parent, ", and parents are not made; mkdir -p ", parent,
                  " makes it");
  }
  if (!S_ISDIR(found.st_mode)) return cannot(parent, " is a file");
  return CheckWritable(parent);
}

absl::StatusOr<FileDescriptor> OpenTarget(const std::string& path) {
  if (absl::Status status = CheckTarget(path); !status.ok()) return status;
  if (mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) {
    return blob::ErrnoStatus(errno, absl::StrCat("making the folder ", path));
  }
  FileDescriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return blob::ErrnoStatus(errno, absl::StrCat("opening the folder ", path));
  return folder;
}

}  // namespace rally::rallyctl
