#ifndef RALLY_AGENT_KEEPER_HELD_STREAM_H_
#define RALLY_AGENT_KEEPER_HELD_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/file_descriptor.h"

namespace rally::keeper {

// One FIFO of a step, held open at both ends, and the bytes read from it that nobody has
// acknowledged, at most kHeldBytesPerStream of them. Knows nothing of readers.
// Not thread-safe; nothing blocks.
class HeldStream {
 public:
  // Opens the FIFO at `path`, whose next byte counts as offset `start`. Returns why not, or "".
  std::string Open(const std::string& path, uint64_t start);

  // Reads once, if there is room. Returns how many bytes arrived.
  size_t Fill();
  // Gives up the write end, so that the FIFO ends when the last other writer is gone.
  void CloseWriteEnd() { write_end_.Close(); }

  // Drops what is below `offset`, which lies between base() and end().
  void DropBelow(uint64_t offset) { base_ = offset; }
  // Appends the held bytes [from, to) to `out`.
  void CopyTo(uint64_t from, uint64_t to, std::string* out) const;

  // Whether Fill() could do something; then fd() is to be polled for reading.
  bool wants_fill() const { return !at_eof_ && end_ - base_ < kCapacity; }
  int fd() const { return read_end_.get(); }

  const std::string& path() const { return path_; }
  uint64_t base() const { return base_; }  // Of the first byte held.
  uint64_t end() const { return end_; }    // Behind the last byte read.
  bool at_eof() const { return at_eof_; }

 private:
  static const size_t kCapacity;

  std::string path_;
  FileDescriptor read_end_;
  FileDescriptor write_end_;
  std::vector<char> ring_;  // The byte at offset o is ring_[o % kCapacity]; empty until needed.
  uint64_t base_ = 0;
  uint64_t end_ = 0;
  bool at_eof_ = false;
};

}  // namespace rally::keeper

#endif  // RALLY_AGENT_KEEPER_HELD_STREAM_H_
