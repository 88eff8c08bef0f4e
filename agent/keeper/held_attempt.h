#ifndef RALLY_AGENT_KEEPER_HELD_ATTEMPT_H_
#define RALLY_AGENT_KEEPER_HELD_ATTEMPT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "agent/keeper/held_stream.h"
#include "agent/keeper/protocol.h"

namespace rally::keeper {

// The two streams of one attempt, the order in which their bytes were read, and how much of them
// the present reader has been sent. Knows nothing of sockets: it hands out frames. Not thread-safe;
// nothing blocks.
class HeldAttempt {
 public:
  // Opens both FIFOs. Returns why not, or "".
  std::string Open(const std::array<std::string, kStreams>& paths,
                   const std::array<uint64_t, kStreams>& starts);

  // Reads once from a stream that is readable, at `now_micros` (Unix).
  void Fill(int stream, int64_t now_micros);
  // Whether Fill(stream) is wanted: there is room for its bytes and for their place in the order.
  bool WantsFill(int stream) const;
  // No process writes any more: from here on the FIFOs can end.
  void Finish();

  // A new reader that has everything below `offsets`. Returns false, and changes nothing, when it
  // asks for bytes that are gone or that don't exist yet.
  bool Attach(const std::array<uint64_t, kStreams>& offsets);
  // The reader keeps everything of `stream` below `offset`. Returns false for what wasn't sent.
  bool Acknowledge(int stream, uint64_t offset);
  // Appends the next frame for the reader to `out`. Returns false when there is none now.
  bool NextFrame(std::string* out);

  const HeldStream& stream(int index) const { return streams_[index]; }

 private:
  // Bytes of one stream that were read together, or shortly after each other.
  struct Chunk {
    int stream;
    uint64_t begin;
    uint64_t end;
    int64_t time_micros;
  };

  void DropAcknowledgedChunks();

  std::array<HeldStream, kStreams> streams_;
  std::array<uint64_t, kStreams> sent_{};
  std::array<bool, kStreams> eof_sent_{};
  std::deque<Chunk> chunks_;  // In the order read; at most kMaxChunks.
  size_t next_chunk_ = 0;     // The first that isn't wholly sent.
};

}  // namespace rally::keeper

#endif  // RALLY_AGENT_KEEPER_HELD_ATTEMPT_H_
