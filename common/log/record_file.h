#ifndef RALLY_COMMON_LOG_RECORD_FILE_H_
#define RALLY_COMMON_LOG_RECORD_FILE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "common/log/record.h"
#include "common/log/record_format.h"

namespace rally::log {

// The log of one attempt on a disk: records that are only ever appended, each with a CRC. It is the
// agent's spool and the controller's store alike. It has no size limit of its own, doesn't tell
// readers of new bytes and doesn't sync unless asked.
//
// Ownership: owns its file descriptor. A writable file is locked (flock) against a second writer.
// Threads: thread-safe. Appends queue behind each other; Read() never waits for an append.
// Blocking: appends and Read() for the page cache, Sync() and MarkComplete() for the disk.
// Errors: kResourceExhausted for a full disk (the file is as before: try again), kDataLoss when a
// stored record fails its CRC, kFailedPrecondition after MarkComplete() or a failed sync.
class RecordFile {
 public:
  enum class Access {
    kReadWrite,  // Creates the file when it's absent and cuts off what a crash left half written.
    kReadOnly,   // Shows the records up to the first bad one and leaves the file alone.
  };

  struct Options {
    Access access = Access::kReadWrite;
    // What has been promised to be here. When less is readable, Open() fails with kDataLoss and
    // changes nothing, instead of taking damage for a torn tail.
    int64_t promised_end = 0;
  };

  static absl::StatusOr<std::unique_ptr<RecordFile>> Open(const std::string& path,
                                                          const Options& options);
  static absl::StatusOr<std::unique_ptr<RecordFile>> Open(const std::string& path) {
    return Open(path, Options());
  }
  ~RecordFile();

  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;

  // Appends 1 to kMaxRecordBytes bytes as one record and returns the new end offset. The record
  // survives this process at once and the host after Sync(). `source_end` says how far the stream's
  // source is accounted for by this record; left out, it moves on by the record's size. The two
  // differ when what is recorded isn't as long as what was read (a masker).
  absl::StatusOr<int64_t> Append(Stream stream, absl::Time time, absl::string_view bytes,
                                 absl::optional<int64_t> source_end = absl::nullopt)
      ABSL_LOCKS_EXCLUDED(append_mutex_, mutex_);

  // Appends a record that another file numbered, and may send again. At the end: as Append().
  // Before it: what overlaps must be the same bytes of the same stream and is skipped, else
  // kAlreadyExists and nothing changes. After it: kOutOfRange; the message and end_offset() tell
  // the offset that is expected.
  absl::StatusOr<int64_t> AppendAt(int64_t offset, Stream stream, absl::Time time,
                                   absl::string_view bytes)
      ABSL_LOCKS_EXCLUDED(append_mutex_, mutex_);

  // The log from `offset` on, at most `max_bytes` bytes of it: whole records, but for the first and
  // last, which are cut to fit. Empty at the end; kOutOfRange after it.
  absl::StatusOr<std::vector<Record>> Read(int64_t offset, int64_t max_bytes) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Returns the offset up to which the log is on stable storage. After a failure nothing more is
  // accepted, because the kernel may have dropped what it couldn't write.
  absl::StatusOr<int64_t> Sync() ABSL_LOCKS_EXCLUDED(mutex_);

  // Writes down that nothing follows, and syncs. Doing it twice is OK.
  absl::Status MarkComplete() ABSL_LOCKS_EXCLUDED(append_mutex_, mutex_);

  int64_t end_offset() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool complete() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Bytes of one stream, and how far its source is accounted for.
  int64_t stream_end(Stream stream) const ABSL_LOCKS_EXCLUDED(mutex_);
  int64_t source_end(Stream stream) const ABSL_LOCKS_EXCLUDED(mutex_);

  // What Open() found.
  bool created() const { return created_; }
  int64_t torn_bytes() const { return torn_bytes_; }  // Bytes of the file behind the last record.
  const std::string& path() const { return path_; }

 private:
  // Where an entry begins in the file.
  struct Place {
    int64_t offset = 0;
    int64_t position = 0;
  };

  // All that a reader needs, and what an append changes once its bytes are in the file.
  struct State {
    int64_t end_offset = 0;
    int64_t end_position = 0;
    std::array<int64_t, kStreams> stream_end{};
    std::array<int64_t, kStreams> source_end{};
    bool complete = false;
  };

  RecordFile(std::string path, int fd, Access access);

  absl::Status Recover(const Options& options);
  absl::Status CheckWritable() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status WriteEntry(const EntryHeader& header, absl::string_view bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(append_mutex_);
  absl::StatusOr<int64_t> AppendLocked(Stream stream, absl::Time time, absl::string_view bytes,
                                       absl::optional<int64_t> source_end)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(append_mutex_);
  absl::Status CompareStored(int64_t offset, Stream stream, absl::string_view bytes) const;
  void Publish(const EntryHeader& header) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  State Snapshot() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Poison(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string path_;
  const int fd_;
  const Access access_;
  bool created_ = false;
  int64_t torn_bytes_ = 0;

  // Held over the write itself, since it is what puts appends in an order. Readers never take it.
  absl::Mutex append_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
  std::vector<Place> index_ ABSL_GUARDED_BY(mutex_);  // Sparse, ascending.
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);       // Why nothing more is accepted.
};

}  // namespace rally::log

#endif  // RALLY_COMMON_LOG_RECORD_FILE_H_
