#include "agent/workspace/local_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/workspace/copy_file.h"
#include "agent/workspace/reopen.h"
#include "common/blob/file_digest.h"
#include "common/blob/open_beneath.h"
#include "common/file_descriptor.h"
#include "glog/logging.h"

namespace rally::workspace {
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
                         int layers, int dirfd, const char* name, LinkedInodes* linked) {
  struct stat stat;
  const FileDescriptor found = Find(digest, layers, &stat);
  if (!found.valid()) return false;
  const auto source = Reopen(found.get(), O_RDONLY);
  if (!source.ok()) return false;
  const auto content = blob::DigestOfFile(source->get());
  if (!content.ok()) return false;
  if (*content != digest) {
    ForgetDamaged(digest);
    return false;
  }
  const bool may_link = linked != nullptr && mtime.has_value() &&
                        absl::TimeFromTimespec(stat.st_mtim) == *mtime &&
                        (stat.st_mode & 07777) == mode && stat.st_uid == 0 && stat.st_gid == 0 &&
                        linked->insert(stat.st_ino).second;
  const std::string by_descriptor = absl::StrCat("/proc/self/fd/", found.get());
  if (may_link && ::linkat(AT_FDCWD, by_descriptor.c_str(), dirfd, name, AT_SYMLINK_FOLLOW) == 0) {
    return true;
  }
  // Also when the inode has as many links as the filesystem takes.
  return CopyFile(source->get(), stat.st_size, mode, mtime, dirfd, name).ok();
}

void LocalFiles::ForgetDamaged(const blob::Digest& digest) {
  absl::MutexLock lock(&mutex_);
  const auto found = files_.find(blob::BlobKey::Of(digest));
  if (found == files_.end()) return;
  LOG(ERROR) << "layer " << found->second.layer << ": " << absl::CEscape(found->second.path)
             << " is damaged: it no longer has the content " << digest
             << "; it is fetched for the next tree that has it. Check the disk.";
  files_.erase(found);
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
