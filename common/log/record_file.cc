#include "common/log/record_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/log/entry_scanner.h"

namespace rally::log {
namespace {

// A reader starts at most this much of the file before the record that it wants.
constexpr int64_t kIndexSpacingBytes = 256 * 1024;

size_t IndexOf(Stream stream) { return static_cast<size_t>(stream) - 1; }

bool IsStream(Stream stream) { return stream == Stream::kStdout || stream == Stream::kStderr; }

absl::Status ErrnoStatus(int error, absl::string_view doing, absl::string_view path) {
  const absl::Status status = absl::ErrnoToStatus(error, absl::StrCat(doing, " ", path));
  // A quota or a file size limit is a full disk to whoever appends: room may come.
  if (error != EDQUOT && error != EFBIG) return status;
  return absl::ResourceExhaustedError(status.message());
}

// A new file's name is on stable storage only when its directory is.
absl::Status SyncDirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "opening", directory);
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  return result == 0 ? absl::OkStatus() : ErrnoStatus(error, "syncing", directory);
}

absl::Status WriteWhole(int fd, int64_t position, absl::string_view first, absl::string_view second,
                        const std::string& path) {
  while (!first.empty() || !second.empty()) {
    iovec parts[2] = {{const_cast<char*>(first.data()), first.size()},
                      {const_cast<char*>(second.data()), second.size()}};
    const ssize_t written = pwritev(fd, parts, 2, position);
    if (written < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, "writing to the log", path);
    }
    position += written;
    const size_t of_first = std::min<size_t>(written, first.size());
    first.remove_prefix(of_first);
    second.remove_prefix(written - of_first);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<RecordFile>> RecordFile::Open(const std::string& path,
                                                             const Options& options) {
  const int flags = options.access == Access::kReadWrite ? O_RDWR | O_CREAT : O_RDONLY;
  const int fd = open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return ErrnoStatus(errno, "opening the log", path);
  auto file = absl::WrapUnique(new RecordFile(path, fd, options.access));
  if (options.access == Access::kReadWrite && flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoStatus(errno, "locking the log", path);
    return absl::FailedPreconditionError(
        absl::StrCat("the log ", path, " is open for writing already, here or in another process"));
  }
  const absl::Status recovered = file->Recover(options);
  if (!recovered.ok()) return recovered;
  return file;
}

RecordFile::RecordFile(std::string path, int fd, Access access)
    : path_(std::move(path)), fd_(fd), access_(access) {}

RecordFile::~RecordFile() { close(fd_); }

absl::Status RecordFile::Recover(const Options& options) {
  struct stat file_status;
  if (fstat(fd_, &file_status) != 0) return ErrnoStatus(errno, "looking at the log", path_);
  if (!S_ISREG(file_status.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path_, " isn't a regular file"));
  }
  const int64_t size = file_status.st_size;
  std::string magic(kFileMagic.size(), '\0');
  const ssize_t got = pread(fd_, &magic[0], magic.size(), 0);
  if (got < 0) return ErrnoStatus(errno, "reading the log", path_);
  magic.resize(got);
  if (magic != kFileMagic && kFileMagic.substr(0, magic.size()) != magic &&
      magic.find_first_not_of('\0') != std::string::npos) {
    return absl::FailedPreconditionError(absl::StrCat(path_, " isn't a log of this version"));
  }

  absl::MutexLock append_lock(&append_mutex_);
  int64_t good_position = 0;
  if (magic == kFileMagic) {
    EntryScanner scanner(fd_, kFileMagic.size(), size);
    absl::MutexLock lock(&mutex_);
    state_.end_position = kFileMagic.size();
    EntryScanner::Result result;
    while ((result = scanner.Next()) == EntryScanner::Result::kEntry) {
      if (scanner.header().offset != state_.end_offset || state_.complete) break;
      Publish(scanner.header());
    }
    if (result == EntryScanner::Result::kError) return scanner.status();
    good_position = state_.end_position;
  }
  torn_bytes_ = size - good_position;
  const State state = Snapshot();
  if (state.end_offset < options.promised_end) {
    return absl::DataLossError(
        absl::StrCat("the log ", path_, " is readable up to offset ", state.end_offset,
                     ", but has been promised up to ", options.promised_end, "; ", torn_bytes_,
                     " bytes of the file behind that are damaged. Restore it from a copy, or "
                     "move it away to give the rest up."));
  }
  if (access_ == Access::kReadOnly) return absl::OkStatus();

  if (torn_bytes_ > 0 && ftruncate(fd_, good_position) != 0) {
    return ErrnoStatus(errno, "cutting off the torn end of the log", path_);
  }
  if (good_position == 0) {
    created_ = true;
    const absl::Status written = WriteWhole(fd_, 0, kFileMagic, "", path_);
    if (!written.ok()) return written;
    const absl::Status synced = SyncDirectoryOf(path_);
    if (!synced.ok()) return synced;
    absl::MutexLock lock(&mutex_);
    state_.end_position = kFileMagic.size();
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> RecordFile::Append(Stream stream, absl::Time time, absl::string_view bytes,
                                           absl::optional<int64_t> source_end) {
  absl::MutexLock lock(&append_mutex_);
  return AppendLocked(stream, time, bytes, source_end);
}

absl::StatusOr<int64_t> RecordFile::AppendLocked(Stream stream, absl::Time time,
                                                 absl::string_view bytes,
                                                 absl::optional<int64_t> source_end) {
  const absl::Status writable = CheckWritable();
  if (!writable.ok()) return writable;
  if (!IsStream(stream)) return absl::InvalidArgumentError("a log record of no stream");
  if (bytes.empty() || bytes.size() > kMaxRecordBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a log record of ", bytes.size(), " bytes; 1 to ", kMaxRecordBytes, " are possible"));
  }
  const State state = Snapshot();
  const int64_t source_before = state.source_end[IndexOf(stream)];
  EntryHeader header;
  header.kind = EntryKind::kBytes;
  header.length = static_cast<uint32_t>(bytes.size());
  header.offset = state.end_offset;
  header.time_micros = absl::ToUnixMicros(time);
  header.stream = static_cast<uint8_t>(stream);
  header.source_end = source_end.value_or(source_before + static_cast<int64_t>(bytes.size()));
  if (header.source_end < source_before) {
    return absl::InvalidArgumentError(absl::StrCat("a log record that takes its source back from ",
                                                   source_before, " to ", header.source_end));
  }
  const absl::Status written = WriteEntry(header, bytes);
  if (!written.ok()) return written;
  return header.offset + static_cast<int64_t>(bytes.size());
}

absl::StatusOr<int64_t> RecordFile::AppendAt(int64_t offset, Stream stream, absl::Time time,
                                             absl::string_view bytes) {
  absl::MutexLock lock(&append_mutex_);
  const int64_t end = Snapshot().end_offset;
  if (offset < 0) return absl::InvalidArgumentError(absl::StrCat("log offset ", offset));
  if (offset > end) {
    return absl::OutOfRangeError(
        absl::StrCat("log bytes at offset ", offset, " after a gap: ", end, " is expected"));
  }
  const size_t known = static_cast<size_t>(std::min<int64_t>(end - offset, bytes.size()));
  if (known > 0) {
    const absl::Status same = CompareStored(offset, stream, bytes.substr(0, known));
    if (!same.ok()) return same;
    if (known == bytes.size()) return end;
  }
  return AppendLocked(stream, time, bytes.substr(known), absl::nullopt);
}

absl::Status RecordFile::CompareStored(int64_t offset, Stream stream,
                                       absl::string_view bytes) const {
  const absl::StatusOr<std::vector<Record>> stored = Read(offset, bytes.size());
  if (!stored.ok()) return stored.status();
  for (const Record& record : *stored) {
    if (record.stream != stream || record.bytes != bytes.substr(0, record.bytes.size())) {
      return absl::AlreadyExistsError(
          absl::StrCat("log conflict: other bytes are stored at offset ", record.offset, " of ",
                       path_, "; the first are kept"));
    }
    bytes.remove_prefix(record.bytes.size());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Record>> RecordFile::Read(int64_t offset, int64_t max_bytes) const {
  State state;
  Place start{0, static_cast<int64_t>(kFileMagic.size())};
  {
    absl::MutexLock lock(&mutex_);
    state = state_;
    const auto after =
        std::upper_bound(index_.begin(), index_.end(), offset,
                         [](int64_t wanted, const Place& place) { return wanted < place.offset; });
    if (after != index_.begin()) start = *std::prev(after);
  }
  if (offset < 0 || max_bytes <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("reading ", max_bytes, " log bytes from offset ", offset));
  }
  if (offset > state.end_offset) {
    return absl::OutOfRangeError(
        absl::StrCat("log offset ", offset, " is after the end, ", state.end_offset));
  }
  std::vector<Record> records;
  int64_t left = max_bytes;
  if (offset == state.end_offset) return records;
  EntryScanner scanner(fd_, start.position, state.end_position);
  while (left > 0) {
    const EntryScanner::Result result = scanner.Next();
    if (result == EntryScanner::Result::kEnd) break;
    if (result == EntryScanner::Result::kError) return scanner.status();
    if (result == EntryScanner::Result::kBad) {
      return absl::DataLossError(absl::StrCat("the log ", path_, " is damaged at byte ",
                                              scanner.position(), " of the file"));
    }
    absl::string_view bytes = scanner.bytes();
    int64_t at = scanner.header().offset;
    const int64_t skipped =
        std::min<int64_t>(std::max<int64_t>(offset - at, 0), static_cast<int64_t>(bytes.size()));
    bytes = bytes.substr(skipped, left);
    if (bytes.empty()) continue;
    left -= bytes.size();
    records.push_back({at + skipped, static_cast<Stream>(scanner.header().stream),
                       absl::FromUnixMicros(scanner.header().time_micros), std::string(bytes)});
  }
  return records;
}

absl::StatusOr<int64_t> RecordFile::Sync() {
  int64_t end;
  {
    absl::MutexLock lock(&mutex_);
    if (!broken_.ok()) return broken_;
    end = state_.end_offset;
  }
  if (fdatasync(fd_) == 0) return end;
  const absl::Status failure = ErrnoStatus(errno, "syncing the log", path_);
  Poison(failure);
  return failure;
}

absl::Status RecordFile::MarkComplete() {
  {
    absl::MutexLock lock(&append_mutex_);
    const State state = Snapshot();
    if (!state.complete) {
      const absl::Status writable = CheckWritable();
      if (!writable.ok()) return writable;
      EntryHeader header;
      header.kind = EntryKind::kComplete;
      header.offset = state.end_offset;
      const absl::Status written = WriteEntry(header, "");
      if (!written.ok()) return written;
    }
  }
  return Sync().status();
}

absl::Status RecordFile::CheckWritable() const {
  if (access_ == Access::kReadOnly) {
    return absl::FailedPreconditionError(absl::StrCat("the log ", path_, " is open for reading"));
  }
  absl::MutexLock lock(&mutex_);
  if (!broken_.ok()) return broken_;
  if (state_.complete) {
    return absl::FailedPreconditionError(
        absl::StrCat("the log ", path_, " is complete: nothing can follow"));
  }
  return absl::OkStatus();
}

absl::Status RecordFile::WriteEntry(const EntryHeader& header, absl::string_view bytes) {
  const int64_t position = Snapshot().end_position;
  const EncodedHeader encoded = EncodeHeader(header, bytes);
  const absl::Status written =
      WriteWhole(fd_, position, absl::string_view(encoded.data(), encoded.size()), bytes, path_);
  if (!written.ok()) {
    // Half an entry must not stay: a shorter one written over it later would leave its rest behind.
    if (ftruncate(fd_, position) != 0) Poison(written);
    return written;
  }
  absl::MutexLock lock(&mutex_);
  Publish(header);
  return absl::OkStatus();
}

void RecordFile::Publish(const EntryHeader& header) {
  if (index_.empty() || state_.end_position - index_.back().position >= kIndexSpacingBytes) {
    index_.push_back({header.offset, state_.end_position});
  }
  state_.end_position += kHeaderSize + header.length;
  state_.end_offset += header.length;
  if (header.kind == EntryKind::kComplete) {
    state_.complete = true;
    return;
  }
  const size_t stream = header.stream - 1;
  state_.stream_end[stream] += header.length;
  state_.source_end[stream] = header.source_end;
}

RecordFile::State RecordFile::Snapshot() const {
  absl::MutexLock lock(&mutex_);
  return state_;
}

void RecordFile::Poison(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (!broken_.ok()) return;
  broken_ = absl::FailedPreconditionError(absl::StrCat(
      "the log ", path_, " takes nothing more since an earlier failure: ", status.message(),
      ". Open it anew."));
}

int64_t RecordFile::end_offset() const { return Snapshot().end_offset; }
bool RecordFile::complete() const { return Snapshot().complete; }
int64_t RecordFile::stream_end(Stream stream) const {
  return Snapshot().stream_end[IndexOf(stream)];
}
int64_t RecordFile::source_end(Stream stream) const {
  return Snapshot().source_end[IndexOf(stream)];
}

}  // namespace rally::log
