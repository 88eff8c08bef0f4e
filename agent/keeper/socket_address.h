#ifndef RALLY_AGENT_KEEPER_SOCKET_ADDRESS_H_
#define RALLY_AGENT_KEEPER_SOCKET_ADDRESS_H_

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace rally::keeper {

// The address of a unix socket at an absolute path of any length. A path that doesn't fit into
// sockaddr_un (107 bytes) is named through its opened directory, so bind() or connect() must happen
// while this object lives.
class SocketAddress {
 public:
  explicit SocketAddress(const std::string& path) {
    address_.sun_family = AF_UNIX;
    std::string name = path;
    if (path.empty() || path[0] != '/') {
      error_ = EINVAL;
      return;
    }
    if (name.size() >= sizeof(address_.sun_path)) {
      const size_t slash = path.rfind('/');
      directory_ = open(path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
      if (directory_ < 0) {
        error_ = errno;
        return;
      }
      name = "/proc/self/fd/" + std::to_string(directory_) + path.substr(slash);
    }
    if (name.size() >= sizeof(address_.sun_path)) {
      error_ = ENAMETOOLONG;
      return;
    }
    std::memcpy(address_.sun_path, name.c_str(), name.size() + 1);
  }
  ~SocketAddress() {
    if (directory_ >= 0) close(directory_);
  }
  SocketAddress(const SocketAddress&) = delete;
  SocketAddress& operator=(const SocketAddress&) = delete;

  // 0, or the errno that tells why there is no address.
  int error() const { return error_; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address_); }
  socklen_t size() const { return sizeof(address_); }

 private:
  sockaddr_un address_{};
  int directory_ = -1;
  int error_ = 0;
};

}  // namespace rally::keeper

#endif  // RALLY_AGENT_KEEPER_SOCKET_ADDRESS_H_
