#include "agent/workspace/local_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "agent/workspace/reopen.h"
#include "common/blob/open_beneath.h"
#include "common/file_descriptor.h"

namespace rally::workspace {
namespace {

bool CopyBytes(int from, int to, int64_t size_bytes) {
  int64_t left = size_bytes;
  bool by_range = true;
  while (left > 0) {
    ssize_t copied = -1;
    const size_t chunk = static_cast<size_t>(std::min<int64_t>(left, 1 << 30));
    if (by_range) copied = ::copy_file_range(from, nullptr, to, nullptr, chunk, 0);
    if (copied < 0) {
      // Not every filesystem has it.
      by_range = false;
      copied = ::sendfile(to, from, nullptr, chunk);
    }
    if (copied < 0 && errno == EINTR) continue;
    if (copied <= 0) return false;
    left -= copied;
  }
  return true;
}

bool Copy(int source, int64_t size_bytes, uint32_t mode, std::optional<absl::Time> mtime, int dirfd,
          const char* name) {
  auto from = Reopen(source, O_RDONLY);
  if (!from.ok()) return false;
  FileDescriptor to(
      ::openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!to.valid()) return false;
  timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
  if (mtime.has_value()) times[1] = absl::ToTimespec(*mtime);
  if (CopyBytes(from->get(), to.get(), size_bytes) && ::fchmod(to.get(), mode) == 0 &&
      ::futimens(to.get(), times) == 0) {
    return true;
  }
  ::unlinkat(dirfd, name, 0);
  return false;
}

}  // namespace

void LocalFiles::Add(const blob::BlobKey& content, uint64_t layer, absl::string_view path) {
  if (content.size_bytes == 0) return;
  absl::MutexLock lock(&mutex_);
  if (files_.size() >= kMaxFiles && !files_.contains(content)) return;
  files_[content] = Place{layer, std::string(path)};
}

FileDescriptor LocalFiles::Find(const blob::Digest& digest, int layers, struct stat* stat) const {
  Place place;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = files_.find(blob::BlobKey::Of(digest));
    if (found == files_.end()) return FileDescriptor();
    place = found->second;
  }
  auto source = blob::OpenBeneath(layers, absl::StrCat(place.layer, "/", place.path), O_PATH);
  if (!source.ok() || ::fstat(source->get(), stat) != 0 || !S_ISREG(stat->st_mode) ||
      stat->st_size != digest.size_bytes) {
    return FileDescriptor();
  }
  return *std::move(source);
}

FileDescriptor LocalFiles::Open(const blob::Digest& digest, int layers) const {
  struct stat stat;
  const FileDescriptor source = Find(digest, layers, &stat);
  if (!source.valid()) return FileDescriptor();
  auto file = Reopen(source.get(), O_RDONLY);
  return file.ok() ? *std::move(file) : FileDescriptor();
}

bool LocalFiles::Provide(const blob::Digest& digest, uint32_t mode, std::optional<absl::Time> mtime,
                         int layers, int dirfd, const char* name) const {
  struct stat stat;
  const FileDescriptor source = Find(digest, layers, &stat);
  if (!source.valid()) return false;
  const bool same_inode = mtime.has_value() && absl::TimeFromTimespec(stat.st_mtim) == *mtime &&
                          (stat.st_mode & 07777) == mode && stat.st_uid == 0 && stat.st_gid == 0;
  const std::string by_descriptor = absl::StrCat("/proc/self/fd/", source.get());
  if (same_inode &&
      ::linkat(AT_FDCWD, by_descriptor.c_str(), dirfd, name, AT_SYMLINK_FOLLOW) == 0) {
    return true;
  }
  // Also when the inode has as many links as the filesystem takes.
  return Copy(source.get(), stat.st_size, mode, mtime, dirfd, name);
}

void LocalFiles::Forget(const std::vector<uint64_t>& layers) {
  const absl::flat_hash_set<uint64_t> gone(layers.begin(), layers.end());
  absl::MutexLock lock(&mutex_);
  absl::erase_if(files_, [&](const auto& file) { return gone.contains(file.second.layer); });
}

size_t LocalFiles::size() const {
  absl::MutexLock lock(&mutex_);
  return files_.size();
}

}  // namespace rally::workspace
