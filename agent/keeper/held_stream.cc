#include "agent/keeper/held_stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/keeper/protocol.h"

namespace rally::keeper {

const size_t HeldStream::kCapacity = kHeldBytesPerStream;

std::string HeldStream::Open(const std::string& path, uint64_t start) {
  const int flags = O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
  FileDescriptor read_end(open(path.c_str(), O_RDONLY | flags));
  if (!read_end.valid()) return "opening " + path + ": " + std::strerror(errno);
  struct stat status;
  if (fstat(read_end.get(), &status) != 0 || !S_ISFIFO(status.st_mode)) {
    return path + " isn't a FIFO";
  }
  FileDescriptor write_end(open(path.c_str(), O_WRONLY | flags));
  if (!write_end.valid()) return "opening " + path + " for writing: " + std::strerror(errno);
  path_ = path;
  read_end_ = std::move(read_end);
  write_end_ = std::move(write_end);
  base_ = end_ = start;
  return "";
}

size_t HeldStream::Fill() {
  if (!wants_fill()) return 0;
  if (ring_.empty()) ring_.resize(kCapacity);
  const size_t room = kCapacity - (end_ - base_);
  const size_t at = end_ % kCapacity;
  const size_t straight = std::min(room, kCapacity - at);
  iovec parts[2] = {{&ring_[at], straight}, {&ring_[0], room - straight}};
  const ssize_t got = readv(read_end_.get(), parts, 2);
  if (got > 0) {
    end_ += got;
    return got;
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  // No writer is left: the write end here was given up before. An error can't be told from that by
  // anybody who waits for the end.
  at_eof_ = true;
  read_end_.Close();
  return 0;
}

void HeldStream::CopyTo(uint64_t from, uint64_t to, std::string* out) const {
  const size_t size = to - from;
  const size_t at = from % kCapacity;
  const size_t straight = std::min(size, kCapacity - at);
  out->append(&ring_[at], straight);
  out->append(&ring_[0], size - straight);
}

}  // namespace rally::keeper
