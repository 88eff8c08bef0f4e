#include "agent/keeper/single_instance.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/keeper/socket_address.h"

namespace rally::keeper {
namespace {

constexpr int kBacklog = 64;

}  // namespace

SingleInstance::SingleInstance(std::string socket_path)
    : socket_path_(std::move(socket_path)), lock_path_(socket_path_ + ".lock") {}

SingleInstance::Result SingleInstance::Fail(const std::string& doing) {
  error_ = doing + ": " + std::strerror(errno);
  return Result::kFailed;
}

SingleInstance::Result SingleInstance::Acquire() {
  while (true) {
    FileDescriptor lock(open(lock_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock.valid()) return Fail("opening " + lock_path_);
    if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      return errno == EWOULDBLOCK ? Result::kTaken : Fail("locking " + lock_path_);
    }
    // The holder before us removes the file when it ends: a lock on a file without this name keeps
    // nobody out.
    struct stat locked, named;
    if (fstat(lock.get(), &locked) != 0) return Fail("looking at " + lock_path_);
    if (stat(lock_path_.c_str(), &named) != 0 || named.st_ino != locked.st_ino ||
        named.st_dev != locked.st_dev) {
      continue;
    }
    lock_ = std::move(lock);
    return Result::kMine;
  }
}

SingleInstance::Result SingleInstance::Listen(FileDescriptor* listener) {
  if (unlink(socket_path_.c_str()) != 0 && errno != ENOENT) return Fail("removing " + socket_path_);
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return Fail("making a socket");
  const SocketAddress address(socket_path_);
  errno = address.error();
  if (errno != 0) return Fail("naming " + socket_path_);
  const mode_t old_mask = umask(0177);
  const int bound = bind(socket.get(), address.get(), address.size());
  umask(old_mask);
  if (bound != 0) return Fail("binding to " + socket_path_);
  if (listen(socket.get(), kBacklog) != 0) return Fail("listening on " + socket_path_);
  *listener = std::move(socket);
  return Result::kMine;
}

void SingleInstance::RemoveNames() {
  unlink(socket_path_.c_str());
  unlink(lock_path_.c_str());
}

}  // namespace rally::keeper
