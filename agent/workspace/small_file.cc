#include "agent/workspace/small_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/blob/file_digest.h"
#include "common/file_descriptor.h"

namespace rally::workspace {
namespace {

constexpr absl::string_view kEnd = "end\n";
constexpr size_t kMaxBytes = 64 << 20;

}  // namespace

absl::Status WriteSmallFile(const std::string& path, absl::string_view text) {
  const size_t slash = path.rfind('/');
  static std::atomic<uint64_t> writes{0};
  // NamesIn doesn't list it, should a crash leave it.
  const std::string temporary =
      absl::StrCat(path.substr(0, slash + 1), ".new-", writes++, "-", path.substr(slash + 1));
  FileDescriptor file(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return blob::ErrnoStatus(errno, absl::StrCat("creating ", temporary));
  const absl::Status written = blob::WriteAll(file.get(), absl::StrCat(text, kEnd));
  if (!written.ok()) return written;
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return blob::ErrnoStatus(errno, absl::StrCat("writing ", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file.valid()) return blob::ErrnoStatus(errno, absl::StrCat("opening ", path));
  std::string text;
  char buffer[16 << 10];
  ssize_t length;
  while ((length = ::read(file.get(), buffer, sizeof(buffer))) > 0 && text.size() < kMaxBytes) {
    text.append(buffer, static_cast<size_t>(length));
  }
  if (length < 0) return blob::ErrnoStatus(errno, absl::StrCat("reading ", path));
  absl::string_view whole = text;
  if (!absl::ConsumeSuffix(&whole, kEnd)) {
    return absl::DataLossError(absl::StrCat(path, " is not whole"));
  }
  return std::string(whole);
}

absl::StatusOr<std::vector<std::string>> NamesIn(const std::string& directory) {
  std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(directory.c_str()), &::closedir);
  if (listing == nullptr) return blob::ErrnoStatus(errno, absl::StrCat("listing ", directory));
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(listing.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<bool> IsEmptyDirectory(const std::string& directory) {
  std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(directory.c_str()), &::closedir);
  if (listing == nullptr) return blob::ErrnoStatus(errno, absl::StrCat("listing ", directory));
  while (const dirent* entry = ::readdir(listing.get())) {
    const absl::string_view name = entry->d_name;
    if (name != "." && name != "..") return false;
  }
  return true;
}

}  // namespace rally::workspace
