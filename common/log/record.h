#ifndef RALLY_COMMON_LOG_RECORD_H_
#define RALLY_COMMON_LOG_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace rally::log {

// Which output of a step bytes came from. The values are those on the disk and on the wire.
enum class Stream : uint8_t {
  kStdout = 1,
  kStderr = 2,
};
inline constexpr int kStreams = 2;

// The most bytes that one record carries.
inline constexpr size_t kMaxRecordBytes = 64 * 1024;

// A piece of an attempt's log. `offset` counts the bytes of both streams before it.
struct Record {
  int64_t offset = 0;
  Stream stream = Stream::kStdout;
  absl::Time time;
  std::string bytes;
};

}  // namespace rally::log

#endif  // RALLY_COMMON_LOG_RECORD_H_
