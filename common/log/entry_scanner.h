#ifndef RALLY_COMMON_LOG_ENTRY_SCANNER_H_
#define RALLY_COMMON_LOG_ENTRY_SCANNER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/log/record_format.h"

namespace rally::log {

// Walks the entries of an open record file from one position to another, reading ahead in large
// pieces. It checks each entry's form and CRC, not how entries follow each other.
// Ownership: the descriptor stays the caller's. Threads: not thread-safe; many scanners may share a
// descriptor. Blocking: Next() reads the file.
class EntryScanner {
 public:
  enum class Result {
    kEntry,  // header() and bytes() are the entry that began at position().
    kEnd,    // `to` is reached exactly.
    kBad,    // What lies at position() isn't a whole, intact entry.
    kError,  // The file can't be read; status() says why.
  };

  EntryScanner(int fd, int64_t from, int64_t to);

  Result Next();

  int64_t position() const { return position_; }
  const EntryHeader& header() const { return header_; }
  absl::string_view bytes() const { return bytes_; }  // Valid until Next().
  const absl::Status& status() const { return status_; }

 private:
  bool Fill(size_t need);
  absl::string_view Window() const;

  const int fd_;
  const int64_t to_;
  size_t piece_;           // How much to read ahead; grows, so that a short walk reads little.
  int64_t position_;       // Of the entry that Next() returned last, or of what is bad.
  int64_t next_position_;  // Of the entry that Next() looks at next.
  std::string buffer_;
  int64_t buffer_position_;
  EntryHeader header_;
  absl::string_view bytes_;
  absl::Status status_;
};

}  // namespace rally::log

#endif  // RALLY_COMMON_LOG_ENTRY_SCANNER_H_
