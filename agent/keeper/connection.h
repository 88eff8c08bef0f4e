#ifndef RALLY_AGENT_KEEPER_CONNECTION_H_
#define RALLY_AGENT_KEEPER_CONNECTION_H_

#include <cstddef>
#include <string>

#include "agent/keeper/protocol.h"
#include "common/file_descriptor.h"

namespace rally::keeper {

// A client's end as the keeper sees it: bytes in, cut into frames, and bytes waiting to go out.
// Not thread-safe; nothing blocks. The first failure makes it dead for good.
class Connection {
 public:
  explicit Connection(FileDescriptor socket) : socket_(std::move(socket)) {}

  // Reads what has arrived, at most one piece.
  void Receive();
  // The next frame received.
  FrameParser::Result Next(Frame* frame) { return parser_.Next(frame); }

  // Queues a frame. A client that asks without reading the answers is cut off.
  void Send(const std::string& frame);
  // Where a frame may be appended directly, as long as output() is empty.
  std::string* output() { return &output_; }
  // Sends as much as the socket takes.
  void Flush();

  void Kill() { dead_ = true; }
  bool dead() const { return dead_; }
  int fd() const { return socket_.get(); }

  bool greeted = false;      // Whether kHello has come.
  bool closing = false;      // To be closed when the output is sent.
  std::string attached_key;  // The attempt it reads, or "".

 private:
  FileDescriptor socket_;
  FrameParser parser_;
  std::string output_;
  size_t output_sent_ = 0;
  bool dead_ = false;
};

}  // namespace rally::keeper

#endif  // RALLY_AGENT_KEEPER_CONNECTION_H_
