#include "agent/start_report.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/blob/file_digest.h"
#include "common/file_descriptor.h"
#include "common/pipeline/utf8.h"

namespace rally::agent {
namespace {

constexpr size_t kSecretBytes = 16;
constexpr mode_t kMode = 0622;
// Longer than anything that the init writes.
constexpr size_t kMaxReportBytes = 4096;

// Of memory, processes, files or disk.
bool IsShortageHere(int error_number) {
  switch (error_number) {
    case EAGAIN:
    case EDQUOT:
    case EIO:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOSPC:
      return true;
    default:
      return false;
  }
}

// "" when it can't be read: then nobody knows.
std::string ReadReport(const std::string& path) {
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  std::string report(kMaxReportBytes, '\0');
  const ssize_t length = fd.valid() ? pread(fd.get(), report.data(), report.size(), 0) : -1;
  report.resize(static_cast<size_t>(std::max<ssize_t>(length, 0)));
  return report;
}

}  // namespace

absl::StatusOr<std::string> MakeStartReport(const std::string& path) {
  char random[kSecretBytes];
  if (getrandom(random, sizeof(random), 0) != static_cast<ssize_t>(sizeof(random))) {
    return blob::ErrnoStatus(errno, "getrandom");
  }
  const std::string secret = absl::BytesToHexString(absl::string_view(random, sizeof(random)));
  // One that is there belongs to an earlier container.
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return blob::ErrnoStatus(errno, absl::StrCat("removing ", path));
  }
  const FileDescriptor fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return blob::ErrnoStatus(errno, absl::StrCat("making ", path));
  if (absl::Status status = blob::WriteAll(fd.get(), secret + "\n"); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  }
  if (fchmod(fd.get(), kMode) != 0) return blob::ErrnoStatus(errno, absl::StrCat("chmod ", path));
  return secret;
}

absl::optional<StartFailure> ReadStartFailure(const std::string& path, absl::string_view secret) {
  const std::string report = ReadReport(path);
  absl::string_view rest = report;
  if (secret.empty() || !absl::ConsumePrefix(&rest, absl::StrCat(secret, "\n"))) {
    return absl::nullopt;
  }
  // The error's number, and what a person reads.
  const size_t space = rest.find(' ');
  int error_number = 0;
  if (space == absl::string_view::npos || !absl::SimpleAtoi(rest.substr(0, space), &error_number)) {
    return StartFailure{"its init ended without saying why", /*may_retry=*/true};
  }
  const absl::string_view message = rest.substr(space + 1);
  return StartFailure{IsValidUtf8(message) ? std::string(message) : absl::CEscape(message),
                      IsShortageHere(error_number)};
}

}  // namespace rally::agent
