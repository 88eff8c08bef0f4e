#include "agent/logs/line_spooler.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace rally::logs {
namespace {

using log::kMaxRecordBytes;
using log::Stream;

constexpr Stream kBoth[] = {Stream::kStdout, Stream::kStderr};

}  // namespace

LineSpooler::LineSpooler(log::RecordFile* file, Masker* masker, absl::Duration partial_line_wait)
    : file_(file), masker_(masker), partial_line_wait_(partial_line_wait) {}

absl::Status LineSpooler::Add(Stream stream, absl::Time time, absl::string_view bytes,
                              absl::Time now) {
  Pending& pending = PendingOf(stream);
  // A full record at a time, so that pending bytes never are more than one record holds.
  while (!bytes.empty()) {
    if (pending.bytes.empty()) {
      pending.time = time;
      pending.due = now + partial_line_wait_;
    }
    const size_t room = kMaxRecordBytes - pending.bytes.size();
    const absl::string_view piece = bytes.substr(0, room);
    pending.bytes.append(piece.data(), piece.size());
    bytes.remove_prefix(piece.size());
    const size_t before = pending.bytes.size();
    const absl::Status flushed = Flush(stream, Extent::kWholeLines);
    if (!flushed.ok()) return flushed;
    if (pending.bytes.size() < before) {
      // What is left of the piece was read now, not when the line that is gone began.
      pending.time = time;
      pending.due = now + partial_line_wait_;
    } else if (before == kMaxRecordBytes) {
      return absl::InternalError("the masker consumes nothing of a full record");
    }
  }
  return absl::OkStatus();
}

absl::Status LineSpooler::FlushDue(absl::Time now) {
  for (const Stream stream : kBoth) {
    if (PendingOf(stream).bytes.empty() || PendingOf(stream).due > now) continue;
    const absl::Status flushed = Flush(stream, Extent::kEverything);
    if (!flushed.ok()) return flushed;
    PendingOf(stream).due = now + partial_line_wait_;  // What the masker held back.
  }
  return absl::OkStatus();
}

absl::Status LineSpooler::FlushLast(Stream stream) { return Flush(stream, Extent::kLast); }

absl::Status LineSpooler::FlushAll() {
  for (const Stream stream : kBoth) {
    const absl::Status flushed = Flush(stream, Extent::kEverything);
    if (!flushed.ok()) return flushed;
  }
  return absl::OkStatus();
}

void LineSpooler::Drop() { pending_ = {}; }

absl::Status LineSpooler::Flush(Stream stream, Extent extent) {
  Pending& pending = PendingOf(stream);
  size_t done = 0;
  absl::Status status;
  while (done < pending.bytes.size()) {
    const absl::string_view rest = absl::string_view(pending.bytes).substr(done);
    size_t ready = rest.size();
    if (extent == Extent::kWholeLines) {
      const size_t line_end = rest.rfind('\n');
      // A line that fills a record doesn't wait for its end.
      if (line_end != absl::string_view::npos) {
        ready = line_end + 1;
      } else if (rest.size() < kMaxRecordBytes) {
        break;
      }
    }
    absl::string_view logged = rest.substr(0, ready);
    Masker::Masked masked;
    if (masker_ != nullptr) {
      masked = masker_->Mask(stream, rest, ready, extent == Extent::kLast);
      if (masked.consumed == 0) break;
      ready = masked.consumed;
      logged = masked.bytes;
    }
    status = file_
                 ->Append(stream, pending.time, logged,
                          file_->source_end(stream) + static_cast<int64_t>(ready))
                 .status();
    if (!status.ok()) break;
    done += ready;
  }
  pending.bytes.erase(0, done);
  return status;
}

absl::Time LineSpooler::next_due() const {
  absl::Time due = absl::InfiniteFuture();
  for (const Pending& pending : pending_) {
    if (!pending.bytes.empty()) due = std::min(due, pending.due);
  }
  return due;
}

int64_t LineSpooler::taken_end(Stream stream) const {
  return file_->source_end(stream) + static_cast<int64_t>(PendingOf(stream).bytes.size());
}

}  // namespace rally::logs
