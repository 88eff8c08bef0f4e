#ifndef RALLY_AGENT_LOGS_KEEPER_CONNECTION_H_
#define RALLY_AGENT_LOGS_KEEPER_CONNECTION_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/keeper/protocol.h"
#include "common/file_descriptor.h"
#include "common/log/record.h"

namespace rally::logs {

// One offset or path for each stream: [0] is stdout, [1] stderr.
using StreamOffsets = std::array<int64_t, log::kStreams>;
using StreamPaths = std::array<std::string, log::kStreams>;

// A connection to a running keeper: requests that wait for their answer, and once attached, the
// frames of one attempt. It starts no keeper and doesn't reconnect.
// Threads: not thread-safe. Blocking: requests up to the connection's timeout; the rest doesn't.
// Errors: kUnavailable when the connection can't be made or is gone; what the keeper answered else.
class KeeperConnection {
 public:
  // `timeout` bounds the connecting and every request after it.
  static absl::StatusOr<std::unique_ptr<KeeperConnection>> Connect(const std::string& socket_path,
                                                                   absl::Duration timeout);

  // Makes the keeper hold both FIFOs, unless it does already. The streams' next bytes count from
  // `starts`, which a keeper that holds them already ignores.
  absl::StatusOr<keeper::OpenResult> Open(const std::string& key, const StreamPaths& fifos,
                                          const StreamOffsets& starts);
  // Makes this connection the attempt's reader, from `offsets` on; frames follow. kNotFound when
  // the keeper doesn't hold it, kDataLoss when it doesn't have what is at the offsets.
  absl::Status Attach(const std::string& key, const StreamOffsets& offsets);
  absl::Status Finish(const std::string& key);
  absl::Status Forget(const std::string& key);
  absl::StatusOr<std::vector<std::string>> List();
  // kFailedPrecondition while attempts are held. Ends the connection.
  absl::Status ExitIfIdle();

  // For a reader, which waits by poll() on fd(): sends a frame without waiting for an answer.
  absl::Status Send(const std::string& frame);
  // Reads what has arrived, at most one piece; OK also when there was nothing.
  absl::Status Receive();
  // The next frame that has arrived whole.
  keeper::FrameParser::Result Next(keeper::Frame* frame) { return parser_.Next(frame); }

  int fd() const { return socket_.get(); }
  // Whether the keeper has closed its end. Only for a connection that isn't attached.
  bool Closed() const;

 private:
  KeeperConnection(FileDescriptor socket, absl::Duration timeout);

  absl::Status Greet();
  // Sends `request` and waits for the reply; returns what follows the message in it.
  absl::StatusOr<std::string> Call(const std::string& request);
  absl::Status Wait(short events, absl::Time deadline);

  FileDescriptor socket_;
  const absl::Duration timeout_;
  keeper::FrameParser parser_;
  std::vector<char> buffer_;
};

// The request that Finish() sends, for a reader whose answer comes between frames.
std::string FinishFrame(const std::string& key);
// What a kReply payload says: its message as a status, or what follows the message.
absl::StatusOr<std::string> ParseReply(absl::string_view payload);

}  // namespace rally::logs

#endif  // RALLY_AGENT_LOGS_KEEPER_CONNECTION_H_
