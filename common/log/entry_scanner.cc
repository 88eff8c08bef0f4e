#include "common/log/entry_scanner.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace rally::log {
namespace {

constexpr size_t kFirstPiece = 2 * (kHeaderSize + kMaxRecordBytes);
constexpr size_t kLargestPiece = 1024 * 1024;

}  // namespace

EntryScanner::EntryScanner(int fd, int64_t from, int64_t to)
    : fd_(fd),
      to_(to),
      piece_(kFirstPiece),
      position_(from),
      next_position_(from),
      buffer_position_(from) {}

absl::string_view EntryScanner::Window() const {
  return absl::string_view(buffer_).substr(next_position_ - buffer_position_);
}

// Makes at least `need` bytes from next_position_ on available. False when the file has fewer, or
// can't be read (then status_ is set).
bool EntryScanner::Fill(size_t need) {
  if (Window().size() >= need) return true;
  buffer_.erase(0, next_position_ - buffer_position_);
  buffer_position_ = next_position_;
  while (buffer_.size() < need) {
    const int64_t at = buffer_position_ + static_cast<int64_t>(buffer_.size());
    const size_t wanted = std::min<int64_t>(std::max(piece_, need), to_ - at);
    if (wanted == 0) return false;
    piece_ = std::min(2 * piece_, kLargestPiece);
    const size_t before = buffer_.size();
    buffer_.resize(before + wanted);
    ssize_t got;
    do {
      got = pread(fd_, &buffer_[before], wanted, at);
    } while (got < 0 && errno == EINTR);
    if (got < 0) status_ = absl::ErrnoToStatus(errno, "reading a log");
    buffer_.resize(before + std::max<ssize_t>(got, 0));
    if (got <= 0) return false;
  }
  return true;
}

EntryScanner::Result EntryScanner::Next() {
  position_ = next_position_;
  bytes_ = {};
  if (position_ >= to_) return Result::kEnd;
  const auto bad = [this] { return status_.ok() ? Result::kBad : Result::kError; };
  if (!Fill(kHeaderSize)) return bad();
  const absl::optional<EntryHeader> header = DecodeHeader(Window());
  if (!header.has_value()) return Result::kBad;
  const size_t size = kHeaderSize + header->length;
  if (!Fill(size)) return bad();
  const absl::string_view entry = Window().substr(0, size);
  if (!CrcMatches(entry.substr(0, kHeaderSize), entry.substr(kHeaderSize))) return Result::kBad;
  header_ = *header;
  bytes_ = entry.substr(kHeaderSize);
  next_position_ += size;
  return Result::kEntry;
}

}  // namespace rally::log
