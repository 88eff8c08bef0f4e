#ifndef RALLY_COMMON_BLOB_OPEN_BENEATH_H_
#define RALLY_COMMON_BLOB_OPEN_BENEATH_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rally::blob {

// A file descriptor that is closed with its owner. Threads: as an int.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  ~OwnedFd() { Reset(); }
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  void Reset();

  int fd_ = -1;
};

// Opens an existing file by its path below a directory, whatever the path's length. No component
// may be a symlink, and none leads out. "" is the directory itself. `flags` as for openat;
// O_CLOEXEC and O_NOFOLLOW are added.
absl::StatusOr<OwnedFd> OpenBeneath(int directory_fd, absl::string_view path, int flags);

// Removes parent/name and everything below, following nothing. What isn't there is fine.
absl::Status RemoveTree(int parent_fd, const std::string& name);

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_OPEN_BENEATH_H_
