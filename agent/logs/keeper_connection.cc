#include "agent/logs/keeper_connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "agent/keeper/socket_address.h"

namespace rally::logs {
namespace {

using keeper::Frame;
using keeper::FrameParser;
using keeper::FrameType;
using keeper::FrameWriter;
using keeper::PayloadReader;

constexpr size_t kReceiveBytes = 256 * 1024;

// A clock that nobody sets. Its zero means nothing.
absl::Time MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::TimeFromTimespec(now);
}

absl::Status Gone(int error) {
  return absl::UnavailableError(
      absl::StrCat("the connection to the keeper is gone: ", std::strerror(error)));
}

absl::Status BrokenProtocol() {
  return absl::InternalError("the keeper sent what its protocol doesn't allow");
}

}  // namespace

std::string FinishFrame(const std::string& key) {
  return FrameWriter(FrameType::kFinish).String(key).Take();
}

absl::StatusOr<std::string> ParseReply(absl::string_view payload) {
  PayloadReader reader(std::string_view(payload.data(), payload.size()));
  const uint16_t code = reader.U16();
  const std::string message(reader.String());
  if (!reader.ok()) return BrokenProtocol();
  if (code == 0) return std::string(reader.Rest());
  return absl::Status(static_cast<absl::StatusCode>(code), absl::StrCat("keeper: ", message));
}

absl::StatusOr<std::unique_ptr<KeeperConnection>> KeeperConnection::Connect(
    const std::string& socket_path, absl::Duration timeout) {
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return absl::ErrnoToStatus(errno, "making a socket");
  // connect() waits when the keeper's backlog is full; this is what bounds it.
  const timeval limit = absl::ToTimeval(timeout);
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  const keeper::SocketAddress address(socket_path);
  int error = address.error();
  if (error == 0 && connect(socket.get(), address.get(), address.size()) != 0) error = errno;
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("connecting to the keeper at ", socket_path, ": ", std::strerror(error)));
  }
  auto connection = absl::WrapUnique(new KeeperConnection(std::move(socket), timeout));
  const absl::Status greeted = connection->Greet();
  if (!greeted.ok()) return greeted;
  return connection;
}

KeeperConnection::KeeperConnection(FileDescriptor socket, absl::Duration timeout)
    : socket_(std::move(socket)), timeout_(timeout), buffer_(kReceiveBytes) {}

absl::Status KeeperConnection::Greet() {
  const absl::StatusOr<std::string> reply =
      Call(FrameWriter(FrameType::kHello).U32(keeper::kMagic).U32(keeper::kVersion).Take());
  if (!reply.ok()) return reply.status();
  const uint32_t version = PayloadReader(*reply).U32();
  if (version == keeper::kVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the running keeper speaks protocol ", version,
                                                    ", this agent ", keeper::kVersion,
                                                    "; it ends when its steps have ended"));
}

absl::StatusOr<keeper::OpenResult> KeeperConnection::Open(const std::string& key,
                                                          const StreamPaths& fifos,
                                                          const StreamOffsets& starts) {
  FrameWriter request(FrameType::kOpen);
  request.String(key);
  for (const std::string& path : fifos) request.String(path);
  for (const int64_t start : starts) request.U64(start);
  const absl::StatusOr<std::string> reply = Call(request.Take());
  if (!reply.ok()) return reply.status();
  if (reply->size() != 1) return BrokenProtocol();
  return static_cast<keeper::OpenResult>((*reply)[0]);
}

absl::Status KeeperConnection::Attach(const std::string& key, const StreamOffsets& offsets) {
  FrameWriter request(FrameType::kAttach);
  request.String(key);
  for (const int64_t offset : offsets) request.U64(offset);
  return Call(request.Take()).status();
}

absl::Status KeeperConnection::Finish(const std::string& key) {
  return Call(FinishFrame(key)).status();
}

absl::Status KeeperConnection::Forget(const std::string& key) {
  return Call(FrameWriter(FrameType::kForget).String(key).Take()).status();
}

absl::StatusOr<std::vector<std::string>> KeeperConnection::List() {
  const absl::StatusOr<std::string> reply = Call(FrameWriter(FrameType::kList).Take());
  if (!reply.ok()) return reply.status();
  PayloadReader reader(*reply);
  const uint32_t count = reader.U32();
  std::vector<std::string> keys;
  for (uint32_t i = 0; i < count && reader.ok(); ++i) keys.emplace_back(reader.String());
  if (!reader.AtEnd()) return BrokenProtocol();
  return keys;
}

absl::Status KeeperConnection::ExitIfIdle() {
  return Call(FrameWriter(FrameType::kExitIfIdle).Take()).status();
}

absl::StatusOr<std::string> KeeperConnection::Call(const std::string& request) {
  const absl::Time deadline = MonotonicNow() + timeout_;
  const absl::Status sent = Send(request);
  if (!sent.ok()) return sent;
  Frame frame;
  while (true) {
    switch (Next(&frame)) {
      case FrameParser::Result::kFrame:
        if (frame.type != FrameType::kReply) return BrokenProtocol();
        return ParseReply(absl::string_view(frame.payload.data(), frame.payload.size()));
      case FrameParser::Result::kBroken:
        return BrokenProtocol();
      case FrameParser::Result::kNeedMore:
        break;
    }
    absl::Status status = Wait(POLLIN, deadline);
    if (status.ok()) status = Receive();
    if (!status.ok()) return status;
  }
}

absl::Status KeeperConnection::Wait(short events, absl::Time deadline) {
  while (true) {
    const absl::Duration left = deadline - MonotonicNow();
    if (left <= absl::ZeroDuration()) {
      return absl::UnavailableError(
          absl::StrCat("the keeper didn't answer within ", absl::FormatDuration(timeout_)));
    }
    pollfd polled{socket_.get(), events, 0};
    const int ready = poll(&polled, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "waiting for the keeper");
  }
}

absl::Status KeeperConnection::Send(const std::string& frame) {
  const absl::Time deadline = MonotonicNow() + timeout_;
  size_t sent = 0;
  while (sent < frame.size()) {
    const ssize_t now =
        send(fd(), frame.data() + sent, frame.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (now >= 0) {
      sent += now;
    } else if (errno == EAGAIN) {
      const absl::Status status = Wait(POLLOUT, deadline);
      if (!status.ok()) return status;
    } else if (errno != EINTR) {
      return Gone(errno);
    }
  }
  return absl::OkStatus();
}

absl::Status KeeperConnection::Receive() {
  const ssize_t got = recv(fd(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (got > 0) {
    parser_.Put(std::string_view(buffer_.data(), got));
    return absl::OkStatus();
  }
  if (got == 0) return Gone(ECONNRESET);
  return errno == EAGAIN || errno == EINTR ? absl::OkStatus() : Gone(errno);
}

bool KeeperConnection::Closed() const {
  char byte;
  const ssize_t got = recv(fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

}  // namespace rally::logs
