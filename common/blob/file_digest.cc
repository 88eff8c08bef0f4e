#include "common/blob/file_digest.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"

namespace rally::blob {
namespace {

constexpr size_t kReadBytes = 256 * 1024;

}  // namespace

absl::Status ErrnoStatus(int error_number, absl::string_view what) {
  const std::string text = absl::StrCat(what, ": ", strerror(error_number));
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(text);
    case EIO:
      return absl::DataLossError(text);
    default:
      return absl::Status(absl::ErrnoToStatusCode(error_number), text);
  }
}

absl::StatusOr<Digest> DigestOfFile(int fd, int64_t most_bytes, const KeepGoing& keep_going) {
  // Most files are smaller than either; a buffer per file costs more than hashing one does.
  static thread_local const std::unique_ptr<char[]> buffer(new char[kReadBytes]);
  static thread_local Hasher hasher;
  while (true) {
    const ssize_t n = read(fd, buffer.get(), std::min<int64_t>(kReadBytes, most_bytes));
    if (n < 0 && errno == EINTR) continue;
    absl::Status status = n < 0 ? ErrnoStatus(errno, "reading") : absl::OkStatus();
    if (n == 0) return hasher.Finish();
    if (n > 0) {
      hasher.Update(absl::string_view(buffer.get(), n));
      most_bytes -= n;
    }
    if (status.ok() && keep_going) status = keep_going();
    if (!status.ok()) {
      hasher.Finish();  // The next file starts afresh.
      return status;
    }
  }
}

ssize_t ReadAt(int fd, int64_t offset, size_t bytes, char* to) {
  size_t filled = 0;
  while (filled < bytes) {
    const ssize_t n = pread(fd, to + filled, bytes - filled, offset + static_cast<off_t>(filled));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return n;
    if (n == 0) break;
    filled += static_cast<size_t>(n);
  }
  return static_cast<ssize_t>(filled);
}

absl::Status WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "writing");
    bytes.remove_prefix(n);
  }
  return absl::OkStatus();
}

}  // namespace rally::blob
