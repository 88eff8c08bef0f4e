#include "rallyctl/transfer/counting_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <variant>

namespace rally::rallyctl {
namespace {

// Smaller ones come in batches: too many to watch, and none takes long.
constexpr int64_t kWatchedBytes = 4 << 20;

}  // namespace

void CountingStore::Watch(int fd, Files* files) {
  FileDescriptor same(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  const int64_t begin = same.valid() ? lseek(same.get(), 0, SEEK_CUR) : -1;
  if (begin < 0) return;  // A pipe, or too many files are open: it counts when it is done.
  absl::MutexLock lock(&mutex_);
  files->push_back({std::move(same), begin});
}

void CountingStore::Finish(int64_t bytes, Files* files) {
  absl::MutexLock lock(&mutex_);
  finished_bytes_ += bytes;
  under_way_.remove(files);
}

int64_t CountingStore::transferred_bytes() const {
  absl::MutexLock lock(&mutex_);
  int64_t bytes = finished_bytes_;
  for (const Files* files : under_way_) {
    for (const UnderWay& file : *files) {
      bytes += std::max<int64_t>(0, lseek(file.file.get(), 0, SEEK_CUR) - file.begin);
    }
  }
  return bytes;
}

absl::Status CountingStore::Upload(std::vector<blob::BlobUpload> uploads) {
  Files files;
  {
    absl::MutexLock lock(&mutex_);
    under_way_.push_back(&files);
  }
  int64_t bytes = 0;
  for (blob::BlobUpload& upload : uploads) {
    bytes += upload.digest.size_bytes;
    using Open = std::function<absl::StatusOr<int>()>;
    auto* const open = std::get_if<Open>(&upload.source);
    if (open == nullptr || upload.digest.size_bytes < kWatchedBytes) continue;
    upload.source = Open([this, &files, open = std::move(*open)] {
      absl::StatusOr<int> fd = open();
      if (fd.ok()) Watch(*fd, &files);
      return fd;
    });
  }
  absl::Status status = store_->Upload(std::move(uploads));
  Finish(status.ok() ? bytes : 0, &files);
  return status;
}

absl::StatusOr<std::vector<std::string>> CountingStore::Read(
    absl::Span<const blob::Digest> digests) {
  auto blobs = store_->Read(digests);
  int64_t bytes = 0;
  for (const blob::Digest& digest : digests) bytes += digest.size_bytes;
  absl::MutexLock lock(&mutex_);
  if (blobs.ok()) finished_bytes_ += bytes;
  return blobs;
}

absl::Status CountingStore::ReadToFile(const blob::Digest& digest, int fd) {
  Files files;
  {
    absl::MutexLock lock(&mutex_);
    under_way_.push_back(&files);
  }
  if (digest.size_bytes >= kWatchedBytes) Watch(fd, &files);
  absl::Status status = store_->ReadToFile(digest, fd);
  Finish(status.ok() ? digest.size_bytes : 0, &files);
  return status;
}

}  // namespace rally::rallyctl
