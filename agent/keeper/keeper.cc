#include "agent/keeper/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace rally::keeper {
namespace {

constexpr size_t kMaxConnections = 2 * kMaxAttempts;
// How often to look whether the socket can still be found, while attempts wait for an agent.
constexpr int64_t kAbandonedCheckMs = 2000;

int64_t Milliseconds(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

int64_t UnixMicros() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000000 + now.tv_nsec / 1000;
}

bool IsKey(std::string_view key) {
  if (key.empty() || key.size() > kMaxKeySize) return false;
  return std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

bool IsPath(std::string_view path) {
  return !path.empty() && path[0] == '/' && path.size() <= kMaxPathSize &&
         path.find('\0') == std::string_view::npos;
}

bool IsSocket(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

FileDescriptor OpenSpare() { return FileDescriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

Keeper::Keeper(FileDescriptor listener, std::string socket_path, int64_t idle_exit_ms)
    : listener_(std::move(listener)),
      socket_path_(std::move(socket_path)),
      idle_exit_ms_(idle_exit_ms) {
  spare_ = OpenSpare();
}

void Keeper::Run() {
  std::vector<pollfd> polled;
  struct Source {
    HeldAttempt* attempt;
    int stream;
  };
  std::vector<Source> sources;
  while (true) {
    const int timeout = IdleTimeout();
    if (timeout == 0) return;

    // An end of a FIFO that nobody wants to read now must not be polled at all: once its writers
    // are gone it would report POLLHUP for ever.
    polled.clear();
    sources.clear();
    polled.push_back({listener_.get(), POLLIN, 0});
    for (auto& [key, attempt] : attempts_) {
      for (int stream = 0; stream < kStreams; ++stream) {
        if (!attempt.WantsFill(stream)) continue;
        polled.push_back({attempt.stream(stream).fd(), POLLIN, 0});
        sources.push_back({&attempt, stream});
      }
    }
    for (Connection& connection : connections_) {
      Feed(&connection);
      const bool sending = !connection.output()->empty();
      polled.push_back(
          {connection.fd(), static_cast<short>(sending ? POLLIN | POLLOUT : POLLIN), 0});
    }
    if (poll(polled.data(), polled.size(), timeout) < 0) continue;

    const int64_t now = UnixMicros();
    for (size_t i = 0; i < sources.size(); ++i) {
      if (polled[1 + i].revents != 0) sources[i].attempt->Fill(sources[i].stream, now);
    }
    size_t at = 1 + sources.size();
    for (Connection& connection : connections_) {
      const short events = polled[at++].revents;
      if ((events & ~POLLOUT) != 0) Serve(&connection);
      Feed(&connection);
    }
    connections_.remove_if([](Connection& connection) {
      return connection.dead() || (connection.closing && connection.output()->empty());
    });
    if (polled[0].revents != 0) Accept();
  }
}

int Keeper::IdleTimeout() {
  if (!connections_.empty()) {
    idle_since_ms_ = -1;
    exit_when_idle_ = exit_when_idle_ && attempts_.empty();
    return -1;
  }
  if (!attempts_.empty()) {
    // Without its name nobody can ever connect again, so nobody will ever read what is held.
    idle_since_ms_ = -1;
    exit_when_idle_ = false;
    return IsSocket(socket_path_) ? kAbandonedCheckMs : 0;
  }
  const int64_t now = Milliseconds(CLOCK_MONOTONIC);
  if (idle_since_ms_ < 0) idle_since_ms_ = now;
  const int64_t left = exit_when_idle_ ? 0 : idle_since_ms_ + idle_exit_ms_ - now;
  if (left > 0) return static_cast<int>(std::min<int64_t>(left, kAbandonedCheckMs));
  // A client that came in the meantime is served; one that comes later finds its connection closed
  // and starts another keeper.
  Accept();
  return connections_.empty() ? 0 : -1;
}

void Keeper::Accept() {
  while (true) {
    FileDescriptor socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) {
      if (errno == ECONNABORTED || errno == EINTR) continue;
      if ((errno != EMFILE && errno != ENFILE) || !spare_.valid()) return;
      // A client left waiting would keep the listener readable and this loop busy.
      spare_.Close();
      FileDescriptor(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)).Close();
      spare_ = OpenSpare();
      continue;
    }
    ucred peer{};
    socklen_t size = sizeof(peer);
    const bool known = getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    // The socket's mode keeps others out already; this also holds if somebody changes it.
    if (!known || (peer.uid != geteuid() && peer.uid != 0)) continue;
    if (connections_.size() >= kMaxConnections) continue;
    connections_.emplace_back(std::move(socket));
  }
}

void Keeper::Serve(Connection* connection) {
  connection->Receive();
  Frame frame;
  while (!connection->dead() && !connection->closing) {
    switch (connection->Next(&frame)) {
      case FrameParser::Result::kNeedMore:
        return;
      case FrameParser::Result::kBroken:
        connection->Kill();
        return;
      case FrameParser::Result::kFrame:
        if (!Handle(connection, frame)) connection->Kill();
        break;
    }
  }
}

bool Keeper::Handle(Connection* connection, const Frame& frame) {
  const PayloadReader payload(frame.payload);
  if (!connection->greeted && frame.type != FrameType::kHello) return false;
  switch (frame.type) {
    case FrameType::kHello:
      return HandleHello(connection, payload);
    case FrameType::kOpen:
      return HandleOpen(connection, payload);
    case FrameType::kAttach:
      return HandleAttach(connection, payload);
    case FrameType::kAck:
      return HandleAck(connection, payload);
    case FrameType::kFinish:
      return HandleFinish(connection, payload);
    case FrameType::kForget:
      return HandleForget(connection, payload);
    case FrameType::kList:
      return HandleList(connection, payload);
    case FrameType::kExitIfIdle:
      return HandleExitIfIdle(connection, payload);
    case FrameType::kReply:
    case FrameType::kData:
    case FrameType::kEof:
    case FrameType::kDisplaced:
      return false;
  }
  return false;
}

bool Keeper::HandleHello(Connection* connection, PayloadReader payload) {
  const uint32_t magic = payload.U32();
  payload.U32();  // The client's version: it adapts to ours, not we to its.
  if (!payload.ok() || magic != kMagic || connection->greeted) return false;
  connection->greeted = true;
  std::string rest;
  for (int i = 0; i < 4; ++i) rest.push_back(static_cast<char>(kVersion >> (8 * i)));
  Reply(connection, Code::kOk, "", rest);
  return true;
}

bool Keeper::HandleOpen(Connection* connection, PayloadReader payload) {
  const std::string_view key = payload.String();
  std::array<std::string, kStreams> paths;
  for (std::string& path : paths) path = std::string(payload.String());
  std::array<uint64_t, kStreams> starts;
  for (uint64_t& start : starts) start = payload.U64();
  if (!payload.AtEnd()) return false;
  if (!IsKey(key) || !IsPath(paths[0]) || !IsPath(paths[1])) {
    Reply(connection, Code::kInvalidArgument,
          "an attempt's name has 1 to 120 letters, digits, '-', '_' and '.'; paths are absolute");
    return true;
  }
  if (std::max(starts[0], starts[1]) > static_cast<uint64_t>(INT64_MAX) / 2) {
    Reply(connection, Code::kInvalidArgument, "a stream can't start that far on");
    return true;
  }
  const auto held = attempts_.find(key);
  if (held != attempts_.end()) {
    for (int stream = 0; stream < kStreams; ++stream) {
      if (held->second.stream(stream).path() == paths[stream]) continue;
      Reply(connection, Code::kAlreadyExists,
            "attempt " + std::string(key) + " is held with another FIFO, " +
                held->second.stream(stream).path());
      return true;
    }
    Reply(connection, Code::kOk, "", std::string(1, static_cast<char>(OpenResult::kHeld)));
    return true;
  }
  if (attempts_.size() >= kMaxAttempts) {
    Reply(connection, Code::kResourceExhausted,
          "the keeper holds " + std::to_string(kMaxAttempts) + " attempts, the most it can");
    return true;
  }
  HeldAttempt attempt;
  const std::string error = attempt.Open(paths, starts);
  if (!error.empty()) {
    Reply(connection, Code::kFailedPrecondition, error);
    return true;
  }
  attempts_.emplace(key, std::move(attempt));
  Reply(connection, Code::kOk, "", std::string(1, static_cast<char>(OpenResult::kNew)));
  return true;
}

bool Keeper::HandleAttach(Connection* connection, PayloadReader payload) {
  const std::string_view key = payload.String();
  std::array<uint64_t, kStreams> offsets;
  for (uint64_t& offset : offsets) offset = payload.U64();
  if (!payload.AtEnd() || !connection->attached_key.empty()) return false;
  HeldAttempt* attempt = Find(connection, key);
  if (attempt == nullptr) return true;
  if (!attempt->Attach(offsets)) {
    std::string message = "attempt " + std::string(key) + ": asked for";
    for (int i = 0; i < kStreams; ++i) {
      message += std::string(i == 0 ? " stdout" : ", stderr") + " from " +
                 std::to_string(offsets[i]) + ", held is " +
                 std::to_string(attempt->stream(i).base()) + " to " +
                 std::to_string(attempt->stream(i).end());
    }
    Reply(connection, Code::kDataLoss, message);
    return true;
  }
  Displace(key);
  connection->attached_key = std::string(key);
  Reply(connection, Code::kOk, "");
  return true;
}

bool Keeper::HandleAck(Connection* connection, PayloadReader payload) {
  const int stream = payload.U8() - 1;
  const uint64_t offset = payload.U64();
  if (!payload.AtEnd() || stream < 0 || stream >= kStreams) return false;
  const auto held = attempts_.find(connection->attached_key);
  // It may have been forgotten by another connection in the meantime.
  if (held == attempts_.end()) return true;
  return held->second.Acknowledge(stream, offset);
}

bool Keeper::HandleFinish(Connection* connection, PayloadReader payload) {
  const std::string_view key = payload.String();
  if (!payload.AtEnd()) return false;
  HeldAttempt* attempt = Find(connection, key);
  if (attempt == nullptr) return true;
  attempt->Finish();
  Reply(connection, Code::kOk, "");
  return true;
}

bool Keeper::HandleForget(Connection* connection, PayloadReader payload) {
  const std::string_view key = payload.String();
  if (!payload.AtEnd()) return false;
  if (Find(connection, key) == nullptr) return true;
  Connection* reader = ReaderOf(key);
  if (reader == connection) {
    connection->attached_key.clear();
  } else {
    Displace(key);
  }
  attempts_.erase(attempts_.find(key));
  Reply(connection, Code::kOk, "");
  return true;
}

bool Keeper::HandleList(Connection* connection, PayloadReader payload) {
  if (!payload.AtEnd()) return false;
  FrameWriter reply(FrameType::kReply);
  reply.U16(static_cast<uint16_t>(Code::kOk)).String("");
  reply.U32(static_cast<uint32_t>(attempts_.size()));
  for (const auto& [key, attempt] : attempts_) reply.String(key);
  connection->Send(reply.Take());
  return true;
}

bool Keeper::HandleExitIfIdle(Connection* connection, PayloadReader payload) {
  if (!payload.AtEnd()) return false;
  if (!attempts_.empty()) {
    Reply(connection, Code::kFailedPrecondition,
          "the keeper holds " + std::to_string(attempts_.size()) + " attempts");
    return true;
  }
  exit_when_idle_ = true;
  Reply(connection, Code::kOk, "");
  connection->closing = true;
  return true;
}

void Keeper::Reply(Connection* connection, Code code, const std::string& message,
                   std::string_view rest) {
  connection->Send(FrameWriter(FrameType::kReply)
                       .U16(static_cast<uint16_t>(code))
                       .String(message)
                       .Bytes(rest)
                       .Take());
}

HeldAttempt* Keeper::Find(Connection* connection, std::string_view key) {
  const auto held = attempts_.find(key);
  if (held != attempts_.end()) return &held->second;
  const bool printable = IsKey(key);
  Reply(connection, printable ? Code::kNotFound : Code::kInvalidArgument,
        printable ? "the keeper holds no attempt " + std::string(key) : "not an attempt's name");
  return nullptr;
}

Connection* Keeper::ReaderOf(std::string_view key) {
  for (Connection& connection : connections_) {
    if (!connection.dead() && connection.attached_key == key) return &connection;
  }
  return nullptr;
}

void Keeper::Displace(std::string_view key) {
  Connection* reader = ReaderOf(key);
  if (reader == nullptr) return;
  reader->Send(FrameWriter(FrameType::kDisplaced).Take());
  reader->attached_key.clear();
  reader->closing = true;
}

// Sends frames as long as the client takes them, so that at most one waits in memory.
void Keeper::Feed(Connection* connection) {
  connection->Flush();
  if (connection->attached_key.empty()) return;
  const auto held = attempts_.find(connection->attached_key);
  if (held == attempts_.end()) return;
  while (!connection->dead() && connection->output()->empty() &&
         held->second.NextFrame(connection->output())) {
    connection->Flush();
  }
}

}  // namespace rally::keeper
