#ifndef RALLY_AGENT_KEEPER_FILE_DESCRIPTOR_H_
#define RALLY_AGENT_KEEPER_FILE_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace rally::keeper {

// An open file descriptor, closed with its owner. Not thread-safe.
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
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

}  // namespace rally::keeper

#endif  // RALLY_AGENT_KEEPER_FILE_DESCRIPTOR_H_
