#ifndef RALLY_AGENT_LOGS_LINE_SPOOLER_H_
#define RALLY_AGENT_LOGS_LINE_SPOOLER_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/logs/masker.h"
#include "common/log/record.h"
#include "common/log/record_file.h"

namespace rally::logs {

// Puts the bytes of two streams into a record file so that lines don't mix: whole lines at once, a
// line's beginning when it has waited `partial_line_wait` for the rest. Knows no clock of its own:
// `now` is the caller's, on a clock that only goes forward.
// Ownership: the file and the masker (which may be null) must outlive it. Threads: not thread-safe.
// Blocking: on the page cache. Errors: those of RecordFile; the bytes stay pending then.
class LineSpooler {
 public:
  LineSpooler(log::RecordFile* file, Masker* masker, absl::Duration partial_line_wait);

  // Takes bytes that were read at `time`, the next of their stream, and writes what is whole.
  absl::Status Add(log::Stream stream, absl::Time time, absl::string_view bytes, absl::Time now);
  // Writes the beginnings of lines that have waited long enough.
  absl::Status FlushDue(absl::Time now);
  // Writes all of a stream, because nothing follows.
  absl::Status FlushLast(log::Stream stream);
  // Writes all of both, line ends or not. A masker may still hold something back.
  absl::Status FlushAll();
  // Forgets what is pending, which somebody else still has.
  void Drop();

  // When FlushDue() will have something to do; InfiniteFuture() for not before more bytes.
  absl::Time next_due() const;
  // The source offset behind the last byte taken: in the file, or pending.
  int64_t taken_end(log::Stream stream) const;

 private:
  struct Pending {
    std::string bytes;
    absl::Time time;  // When its first bytes were read.
    absl::Time due = absl::InfiniteFuture();
  };

  enum class Extent { kWholeLines, kEverything, kLast };
  absl::Status Flush(log::Stream stream, Extent extent);
  Pending& PendingOf(log::Stream stream) { return pending_[static_cast<int>(stream) - 1]; }
  const Pending& PendingOf(log::Stream stream) const {
    return pending_[static_cast<int>(stream) - 1];
  }

  log::RecordFile* const file_;  // Outlives this.
  Masker* const masker_;         // Outlives this; may be null.
  const absl::Duration partial_line_wait_;
  std::array<Pending, log::kStreams> pending_;
};

}  // namespace rally::logs

#endif  // RALLY_AGENT_LOGS_LINE_SPOOLER_H_
