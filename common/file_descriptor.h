#ifndef RALLY_COMMON_FILE_DESCRIPTOR_H_
#define RALLY_COMMON_FILE_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace rally {

// An open file descriptor that is closed with its owner. It doesn't report errors of close: who
// must know that bytes are stored syncs them. Depends on nothing, for programs that must stay
// small. Threads: as an int.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~FileDescriptor() { Close(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

}  // namespace rally

#endif  // RALLY_COMMON_FILE_DESCRIPTOR_H_
