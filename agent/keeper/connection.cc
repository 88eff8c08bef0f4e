#include "agent/keeper/connection.h"

#include <sys/socket.h>

#include <cerrno>

namespace rally::keeper {
namespace {

constexpr size_t kReceiveBytes = 16 * 1024;
constexpr size_t kMaxOutputBytes = 4 * kMaxPayload;

}  // namespace

void Connection::Receive() {
  char buffer[kReceiveBytes];
  const ssize_t got = recv(fd(), buffer, sizeof(buffer), MSG_DONTWAIT);
  if (got > 0) {
    // A closing connection is only read so that it's noticed when the client is gone.
    if (!closing) parser_.Put(std::string_view(buffer, got));
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    Kill();
  }
}

void Connection::Send(const std::string& frame) {
  if (output_.size() + frame.size() > kMaxOutputBytes) {
    Kill();
    return;
  }
  output_ += frame;
}

void Connection::Flush() {
  while (output_sent_ < output_.size()) {
    const ssize_t sent = send(fd(), output_.data() + output_sent_, output_.size() - output_sent_,
                              MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) Kill();
      return;
    }
    output_sent_ += sent;
  }
  output_.clear();
  output_sent_ = 0;
}

}  // namespace rally::keeper
