#ifndef RALLY_AGENT_KEEPER_PROTOCOL_H_
#define RALLY_AGENT_KEEPER_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

// What the agent and its keeper say to each other on the keeper's socket: frames of a header and a
// payload, all numbers little-endian.
//
//   payload length u32 | FrameType u8 | 0 u8 | 0 u16 | payload
//
// A client's first frame is kHello. Every request but kAck gets one kReply, in order; kData and
// kEof come between, once the connection is attached. Whoever gets a frame that breaks these rules
// closes the connection; the attempts are not touched by that. A keeper outlives an upgrade of the
// agent: a new kVersion must still be able to talk to an old keeper. Standard library only, since
// the keeper is linked statically and stays small.
namespace rally::keeper {

inline constexpr uint32_t kMagic = 0x50454b52;  // "RKEP"
inline constexpr uint32_t kVersion = 1;
inline constexpr size_t kFrameHeaderSize = 8;
inline constexpr size_t kMaxPayload = 128 * 1024;
inline constexpr size_t kMaxDataBytes = 64 * 1024;  // In one kData frame.
inline constexpr size_t kMaxKeySize = 120;
inline constexpr size_t kMaxPathSize = 4095;
inline constexpr size_t kMaxAttempts = 512;
// Bytes of one stream that the keeper holds; behind them, the pipe holds the step back.
inline constexpr size_t kHeldBytesPerStream = 128 * 1024;

// Exit statuses of the keeper's command.
inline constexpr int kExitListening = 0;  // A keeper runs in the background and listens.
inline constexpr int kExitFailed = 1;     // stderr says why.
inline constexpr int kExitUsage = 2;
inline constexpr int kExitAlreadyAlive = 3;  // Another keeper has this socket.

enum class FrameType : uint8_t {
  // Requests.
  kHello = 1,       // magic u32, version u32
  kOpen = 2,        // key, stdout path, stderr path, stdout start u64, stderr start u64
  kAttach = 3,      // key, stdout offset u64, stderr offset u64
  kAck = 4,         // stream u8, offset u64: everything below it is kept elsewhere
  kFinish = 5,      // key: no process writes any more
  kForget = 6,      // key
  kList = 7,        //
  kExitIfIdle = 8,  //
  // Answers.
  kReply = 64,      // Code u16, message, then what the request's answer carries
  kData = 65,       // stream u8, offset u64, time i64 (microseconds, Unix), bytes
  kEof = 66,        // stream u8, end offset u64
  kDisplaced = 67,  // Another connection attached to the same attempt.
};

// What a kReply says. The values are those of gRPC's status codes.
enum class Code : uint16_t {
  kOk = 0,
  kInvalidArgument = 3,
  kNotFound = 5,
  kAlreadyExists = 6,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kOutOfRange = 11,
  kInternal = 13,
  kDataLoss = 15,
};

// Of kOpen's reply, after the message.
enum class OpenResult : uint8_t {
  kNew = 0,   // The keeper holds the FIFOs from now on, from the start offsets given.
  kHeld = 1,  // It held them already; the start offsets given mean nothing.
};

// A stream's number on the wire, 1 for stdout and 2 for stderr, and as an index.
inline constexpr int kStreams = 2;
inline uint8_t StreamNumber(int index) { return static_cast<uint8_t>(index + 1); }

// Builds a frame. Numbers and strings go in in the order of the layouts above.
class FrameWriter {
 public:
  explicit FrameWriter(FrameType type) {
    frame_.resize(kFrameHeaderSize, '\0');
    frame_[4] = static_cast<char>(type);
  }

  FrameWriter& U8(uint8_t value) { return Number(value, 1); }
  FrameWriter& U16(uint16_t value) { return Number(value, 2); }
  FrameWriter& U32(uint32_t value) { return Number(value, 4); }
  FrameWriter& U64(uint64_t value) { return Number(value, 8); }
  // A string with its size before it; cut at 65,535 bytes.
  FrameWriter& String(std::string_view value) {
    value = value.substr(0, 0xffff);
    U16(static_cast<uint16_t>(value.size()));
    return Bytes(value);
  }
  // What fills the rest of the payload.
  FrameWriter& Bytes(std::string_view value) {
    frame_.append(value);
    return *this;
  }

  // The whole frame, with its length filled in.
  std::string Take() {
    const size_t length = frame_.size() - kFrameHeaderSize;
    for (int i = 0; i < 4; ++i) frame_[i] = static_cast<char>(length >> (8 * i));
    return std::move(frame_);
  }

 private:
  FrameWriter& Number(uint64_t value, int size) {
    for (int i = 0; i < size; ++i) frame_.push_back(static_cast<char>(value >> (8 * i)));
    return *this;
  }

  std::string frame_;
};

// Reads a payload in the order of its layout. After anything was missing, everything reads as zero
// or empty and ok() is false for good.
class PayloadReader {
 public:
  explicit PayloadReader(std::string_view payload) : rest_(payload) {}

  uint8_t U8() { return static_cast<uint8_t>(Number(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Number(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Number(4)); }
  uint64_t U64() { return Number(8); }
  std::string_view String() { return Take(U16()); }
  std::string_view Rest() { return Take(rest_.size()); }

  bool ok() const { return ok_; }
  // Whether the payload was read, all of it, and nothing was missing.
  bool AtEnd() const { return ok_ && rest_.empty(); }

 private:
  std::string_view Take(size_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  uint64_t Number(size_t size) {
    uint64_t value = 0;
    const std::string_view bytes = Take(size);
    for (size_t i = 0; i < bytes.size(); ++i) {
      value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    }
    return value;
  }

  std::string_view rest_;
  bool ok_ = true;
};

struct Frame {
  FrameType type = FrameType::kHello;
  std::string_view payload;  // Into the parser's buffer.
};

// Cuts a stream of bytes into frames. Holds at most one frame and what was put in with it.
class FrameParser {
 public:
  enum class Result { kFrame, kNeedMore, kBroken };

  void Put(std::string_view bytes) {
    buffer_.erase(0, used_);
    used_ = 0;
    buffer_.append(bytes);
  }

  // The next frame; its payload is valid until Put(). kBroken for good after bytes that can't be a
  // frame.
  Result Next(Frame* frame) {
    if (broken_) return Result::kBroken;
    const std::string_view rest = std::string_view(buffer_).substr(used_);
    if (rest.size() < kFrameHeaderSize) return Result::kNeedMore;
    PayloadReader header(rest);
    const uint32_t length = header.U32();
    const uint8_t type = header.U8();
    if (length > kMaxPayload || header.U8() != 0 || header.U16() != 0 || !IsType(type)) {
      broken_ = true;
      return Result::kBroken;
    }
    if (rest.size() - kFrameHeaderSize < length) return Result::kNeedMore;
    frame->type = static_cast<FrameType>(type);
    frame->payload = rest.substr(kFrameHeaderSize, length);
    used_ += kFrameHeaderSize + length;
    return Result::kFrame;
  }

 private:
  static bool IsType(uint8_t type) {
    return (type >= static_cast<uint8_t>(FrameType::kHello) &&
            type <= static_cast<uint8_t>(FrameType::kExitIfIdle)) ||
           (type >= static_cast<uint8_t>(FrameType::kReply) &&
            type <= static_cast<uint8_t>(FrameType::kDisplaced));
  }

  std::string buffer_;
  size_t used_ = 0;
  bool broken_ = false;
};

}  // namespace rally::keeper

#endif  // RALLY_AGENT_KEEPER_PROTOCOL_H_
