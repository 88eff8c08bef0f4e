#include "controller/blob/directory_names.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/blob/file_digest.h"

namespace rally::cas {

using blob::ErrnoStatus;

absl::StatusOr<int> MakeAndOpenDirectory(int parent_fd, const std::string& name) {
  if (mkdirat(parent_fd, name.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("creating ", name));
  }
  const int fd = openat(parent_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("opening ", name));
  return fd;
}

absl::Status ForEachName(int directory_fd, const std::function<void(const std::string&)>& visit) {
  const int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "opening a directory of the blob store");
  DIR* const directory = fdopendir(fd);
  if (directory == nullptr) {
    close(fd);
    return ErrnoStatus(errno, "listing a directory of the blob store");
  }
  const absl::Cleanup close_directory = [directory] { closedir(directory); };
  while (true) {
    errno = 0;
    const dirent* const entry = readdir(directory);
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") visit(name);
  }
  return errno == 0 ? absl::OkStatus()
                    : ErrnoStatus(errno, "listing a directory of the blob store");
}

}  // namespace rally::cas
