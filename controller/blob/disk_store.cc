#include "controller/blob/disk_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/blob/file_digest.h"
#include "glog/logging.h"

namespace rally::cas {
namespace {

using blob::Digest;
using blob::ErrnoStatus;

constexpr size_t kReadBytes = 256 * 1024;

std::string FileName(const Digest& digest) {
  return absl::StrCat(digest.hash.substr(2), "-", digest.size_bytes);
}

absl::Status NotFound(const Digest& digest) {
  return absl::NotFoundError(absl::StrCat("blob ", digest.ToString(), " is not in the store"));
}

absl::Status AddContext(const absl::Status& status, absl::string_view what) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

absl::StatusOr<int> MakeAndOpenDirectory(int parent_fd, const std::string& name) {
  if (mkdirat(parent_fd, name.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("creating ", name));
  }
  const int fd = openat(parent_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("opening ", name));
  return fd;
}

void RemoveAllFiles(int directory_fd) {
  const int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const directory = fd < 0 ? nullptr : fdopendir(fd);
  if (directory == nullptr) return;
  while (const dirent* entry = readdir(directory)) unlinkat(directory_fd, entry->d_name, 0);
  closedir(directory);
}

}  // namespace

absl::StatusOr<std::unique_ptr<DiskStore>> DiskStore::Open(const std::string& directory) {
  auto store = std::unique_ptr<DiskStore>(new DiskStore());
  store->shard_fds_.fill(-1);
  const std::string what = absl::StrCat("opening the blob store in ", directory);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return ErrnoStatus(errno, what);
  store->root_fd_ = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (store->root_fd_ < 0) return ErrnoStatus(errno, what);
  const auto open_below = [&](int parent, const std::string& name, int* fd) {
    absl::StatusOr<int> opened = MakeAndOpenDirectory(parent, name);
    if (opened.ok()) *fd = *opened;
    return AddContext(opened.status(), what);
  };
  int cas_fd = -1;
  if (absl::Status s = open_below(store->root_fd_, "cas", &cas_fd); !s.ok()) return s;
  absl::Status shards;
  for (size_t i = 0; i < store->shard_fds_.size() && shards.ok(); ++i) {
    shards = open_below(cas_fd, absl::StrFormat("%02x", i), &store->shard_fds_[i]);
  }
  close(cas_fd);
  if (!shards.ok()) return shards;
  if (absl::Status s = open_below(store->root_fd_, "tmp", &store->temporary_fd_); !s.ok()) return s;
  if (absl::Status s = open_below(store->root_fd_, "quarantine", &store->quarantine_fd_); !s.ok()) {
    return s;
  }
  RemoveAllFiles(store->temporary_fd_);
  const int probe = openat(store->shard_fds_[0], ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  store->unnamed_files_ = probe >= 0;
  if (probe >= 0) close(probe);
  return store;
}

DiskStore::~DiskStore() {
  for (int fd : shard_fds_) {
    if (fd >= 0) close(fd);
  }
  for (int fd : {root_fd_, temporary_fd_, quarantine_fd_}) {
    if (fd >= 0) close(fd);
  }
}

int DiskStore::ShardFd(const Digest& digest) const {
  const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  return shard_fds_[value(digest.hash[0]) * 16 + value(digest.hash[1])];
}

bool DiskStore::Contains(const Digest& digest) {
  if (digest == blob::EmptyBlobDigest()) return true;
  struct stat st;
  return fstatat(ShardFd(digest), FileName(digest).c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(st.st_mode) && st.st_size == digest.size_bytes;
}

absl::StatusOr<std::vector<Digest>> DiskStore::FindMissing(absl::Span<const Digest> digests) {
  std::vector<Digest> missing;
  for (const Digest& digest : digests) {
    absl::Status valid = blob::MakeDigest(digest.hash, digest.size_bytes).status();
    if (!valid.ok()) return valid;
    if (!Contains(digest)) missing.push_back(digest);
  }
  return missing;
}

absl::Status DiskStore::Sync() {
  const bool linking = linking_ > 0;  // before `committed_`: what ends meanwhile is counted there
  const int64_t wanted = committed_;
  absl::MutexLock lock(&sync_mutex_);
  if (!linking && synced_ >= wanted) return absl::OkStatus();
  const int64_t covered = committed_;
  if (syncfs(root_fd_) != 0) {
    // The kernel tells of a failed write only once: a second try would claim what isn't true.
    if (errno == EIO) LOG(FATAL) << "syncing the blob store: what is durable is unknown, stopping";
    return ErrnoStatus(errno, "syncing the blob store to disk");
  }
  synced_ = covered;
  return absl::OkStatus();
}

void DiskStore::Quarantine(const Digest& digest, int fd, absl::string_view why) {
  LOG(ERROR) << "blob=" << digest << " is damaged and moves to quarantine: " << why;
  const std::string name = FileName(digest);
  struct stat damaged;
  struct stat named;
  if (fstat(fd, &damaged) != 0 ||
      fstatat(ShardFd(digest), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
      damaged.st_ino != named.st_ino) {
    return;
  }
  ++quarantined_;
  const std::string kept = absl::StrCat(digest.hash, "-", digest.size_bytes);
  if (renameat(ShardFd(digest), name.c_str(), quarantine_fd_, kept.c_str()) != 0) {
    unlinkat(ShardFd(digest), name.c_str(), 0);
  }
}

// --- Writing.

absl::StatusOr<std::unique_ptr<DiskStore::Writer>> DiskStore::NewWriter(const Digest& digest) {
  absl::Status valid = blob::MakeDigest(digest.hash, digest.size_bytes).status();
  if (!valid.ok()) return valid;
  if (digest == blob::EmptyBlobDigest()) {
    return std::unique_ptr<Writer>(new Writer(this, digest, -1, ""));
  }
  std::string temporary_name;
  int fd;
  if (unnamed_files_) {
    fd = openat(ShardFd(digest), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  } else {
    temporary_name = absl::StrCat(next_temporary_++);
    fd = openat(temporary_fd_, temporary_name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
                0600);
  }
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("storing blob ", digest.ToString()));
  return std::unique_ptr<Writer>(new Writer(this, digest, fd, std::move(temporary_name)));
}

DiskStore::Writer::Writer(DiskStore* store, Digest digest, int fd, std::string temporary_name)
    : store_(store),
      digest_(std::move(digest)),
      fd_(fd),
      temporary_name_(std::move(temporary_name)) {}

DiskStore::Writer::~Writer() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_name_.empty()) unlinkat(store_->temporary_fd_, temporary_name_.c_str(), 0);
}

absl::Status DiskStore::Writer::Append(absl::string_view bytes) {
  hasher_.Update(bytes);
  if (hasher_.size_bytes() > digest_.size_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("blob ", digest_.ToString(), ": there are more bytes than its digest says"));
  }
  return AddContext(blob::WriteAll(fd_, bytes), absl::StrCat("storing blob ", digest_.ToString()));
}

absl::Status DiskStore::Writer::Commit() {
  const Digest actual = hasher_.Finish();
  if (actual != digest_) {
    return absl::InvalidArgumentError(
        absl::StrCat("blob ", digest_.ToString(), ": the bytes sent are ", actual.ToString()));
  }
  if (fd_ < 0) return absl::OkStatus();
  return AddContext(store_->Link(digest_, fd_, temporary_name_),
                    absl::StrCat("storing blob ", digest_.ToString()));
}

absl::Status DiskStore::Link(const Digest& digest, int fd, const std::string& temporary_name) {
  if (fchmod(fd, 0444) != 0) return ErrnoStatus(errno, "fchmod");
  const std::string name = FileName(digest);
  const int shard = ShardFd(digest);
  ++linking_;
  const absl::Cleanup linked = [this] { --linking_; };
  for (int attempt = 0; attempt < 3; ++attempt) {
    const int result = temporary_name.empty()
                           ? linkat(AT_FDCWD, absl::StrCat("/proc/self/fd/", fd).c_str(), shard,
                                    name.c_str(), AT_SYMLINK_FOLLOW)
                           : linkat(temporary_fd_, temporary_name.c_str(), shard, name.c_str(), 0);
    if (result == 0) {
      ++committed_;
      return absl::OkStatus();
    }
    if (errno != EEXIST) return ErrnoStatus(errno, "linking");
    if (Contains(digest)) return absl::OkStatus();
    // A crash can leave a file of the wrong size under the name; the good copy takes its place.
    const int torn = openat(shard, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (torn < 0) continue;
    Quarantine(digest, torn, "its file has the wrong size");
    close(torn);
  }
  return absl::InternalError("its name stays taken by a file of the wrong size");
}

// --- Reading.

absl::StatusOr<std::unique_ptr<DiskStore::Reader>> DiskStore::NewReader(const Digest& digest,
                                                                        int64_t offset,
                                                                        int64_t limit) {
  absl::Status valid = blob::MakeDigest(digest.hash, digest.size_bytes).status();
  if (!valid.ok()) return valid;
  if (offset < 0 || offset > digest.size_bytes) {
    return absl::OutOfRangeError(
        absl::StrCat("offset ", offset, " is not within blob ", digest.ToString()));
  }
  if (limit < 0) return absl::InvalidArgumentError("the number of bytes to read is negative");
  if (digest == blob::EmptyBlobDigest()) {
    return std::unique_ptr<Reader>(new Reader(this, digest, -1, 0, 0));
  }
  const int fd = openat(ShardFd(digest), FileName(digest).c_str(),
                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return NotFound(digest);
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("reading blob ", digest.ToString()));
  auto reader = std::unique_ptr<Reader>(new Reader(this, digest, fd, offset, limit));
  struct stat st;
  if (fstat(fd, &st) != 0) {
    return ErrnoStatus(errno, absl::StrCat("reading blob ", digest.ToString()));
  }
  if (!S_ISREG(st.st_mode) || st.st_size != digest.size_bytes) {
    return reader->Damaged(absl::StrCat("its file has ", st.st_size, " bytes"));
  }
  return reader;
}

DiskStore::Reader::Reader(DiskStore* store, Digest digest, int fd, int64_t offset, int64_t limit)
    : store_(store),
      digest_(std::move(digest)),
      fd_(fd),
      begin_(offset),
      end_(limit == 0 ? digest_.size_bytes
                      : offset + std::min(limit, digest_.size_bytes - offset)) {}

DiskStore::Reader::~Reader() {
  if (fd_ >= 0) close(fd_);
}

absl::Status DiskStore::Reader::Damaged(absl::string_view why) {
  store_->Quarantine(digest_, fd_, why);
  if (!handed_out_) return NotFound(digest_);
  return absl::DataLossError(
      absl::StrCat("blob ", digest_.ToString(), " is damaged in the store: ", why));
}

absl::Status DiskStore::Reader::ReadExactly(size_t bytes, std::string* piece) {
  piece->resize(bytes);
  size_t filled = 0;
  while (filled < bytes) {
    const ssize_t n = pread(fd_, &(*piece)[filled], bytes - filled, position_ + filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EIO) return Damaged("the disk can't read it");
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("reading blob ", digest_.ToString()));
    if (n == 0) return Damaged("its file became shorter");
    filled += n;
  }
  position_ += bytes;
  hasher_.Update(*piece);
  return absl::OkStatus();
}

absl::Status DiskStore::Reader::HashUntil(int64_t offset) {
  std::string skipped;
  while (position_ < offset) {
    absl::Status status = ReadExactly(std::min<int64_t>(kReadBytes, offset - position_), &skipped);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status DiskStore::Reader::Read(size_t max_bytes, std::string* piece) {
  piece->clear();
  if (position_ >= end_ && position_ > 0) return absl::OkStatus();
  if (absl::Status status = HashUntil(begin_); !status.ok()) return status;
  const size_t bytes = std::min<int64_t>(max_bytes, end_ - position_);
  if (bytes > 0) {
    if (absl::Status status = ReadExactly(bytes, piece); !status.ok()) return status;
  }
  if (position_ == end_ && fd_ >= 0) {
    // What comes after the part that was asked for counts for the hash as well.
    if (absl::Status status = HashUntil(digest_.size_bytes); !status.ok()) return status;
    if (hasher_.Finish() != digest_) return Damaged("its bytes have another hash");
  }
  handed_out_ = true;
  return absl::OkStatus();
}

absl::StatusOr<std::string> DiskStore::ReadAll(const Digest& digest) {
  auto reader = NewReader(digest);
  if (!reader.ok()) return reader.status();
  std::string bytes;
  absl::Status status = (*reader)->Read(digest.size_bytes, &bytes);
  if (!status.ok()) return status;
  return bytes;
}

absl::Status DiskStore::WriteAll(const Digest& digest, absl::string_view bytes) {
  auto writer = NewWriter(digest);
  if (!writer.ok()) return writer.status();
  if (absl::Status status = (*writer)->Append(bytes); !status.ok()) return status;
  return (*writer)->Commit();
}

}  // namespace rally::cas
