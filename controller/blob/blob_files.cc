#include "controller/blob/blob_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/blob/file_digest.h"
#include "common/file_descriptor.h"
#include "controller/blob/directory_names.h"
#include "glog/logging.h"

namespace rally::cas {
namespace {

using blob::Digest;
using blob::ErrnoStatus;

// Damaged files are kept for a person to look at, not for ever more of them.
constexpr int kQuarantineFiles = 64;
constexpr int64_t kQuarantineBytes = 256 << 20;

constexpr size_t kHashEnd = 62;
constexpr size_t kMaxSizeDigits = 20;

// Nobody writes to a blob.
constexpr mode_t kBlobMode = 0444;

std::string FileName(const Digest& digest) {
  return absl::StrCat(digest.hash.substr(2), "-", digest.size_bytes);
}

}  // namespace

absl::StatusOr<std::unique_ptr<BlobFiles>> BlobFiles::Open(const std::string& directory) {
  auto files = std::unique_ptr<BlobFiles>(new BlobFiles());
  files->shard_fds_.fill(-1);
  const std::string what = absl::StrCat("opening the blob store in ", directory);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return ErrnoStatus(errno, what);
  files->root_fd_ = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (files->root_fd_ < 0) return ErrnoStatus(errno, what);
  absl::Status status;
  const auto open_below = [&](int parent, const std::string& name, int* fd) {
    if (!status.ok()) return;
    absl::StatusOr<int> opened = MakeAndOpenDirectory(parent, name);
    if (opened.ok()) {
      *fd = *opened;
    } else {
      status =
          absl::Status(opened.status().code(), absl::StrCat(what, ": ", opened.status().message()));
    }
  };
  int cas_fd = -1;
  open_below(files->root_fd_, "cas", &cas_fd);
  for (int i = 0; i < kShards; ++i) {
    open_below(cas_fd, absl::StrFormat("%02x", i), &files->shard_fds_[i]);
  }
  if (cas_fd >= 0) close(cas_fd);
  open_below(files->root_fd_, "tmp", &files->temporary_fd_);
  open_below(files->root_fd_, "quarantine", &files->quarantine_fd_);
  if (!status.ok()) return status;
  ForEachName(files->temporary_fd_, [&](const std::string& name) {
    unlinkat(files->temporary_fd_, name.c_str(), 0);
  }).IgnoreError();  // what stays takes room, and harms nothing else
  files->CountQuarantine();
  const int probe = openat(files->shard_fds_[0], ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, kBlobMode);
  files->unnamed_files_ = probe >= 0;
  struct stat st;
  files->created_with_mode_ =
      probe >= 0 && fstat(probe, &st) == 0 && (st.st_mode & 07777) == kBlobMode;
  if (probe >= 0) close(probe);
  return files;
}

BlobFiles::~BlobFiles() {
  for (int fd : shard_fds_) {
    if (fd >= 0) close(fd);
  }
  for (int fd : {root_fd_, temporary_fd_, quarantine_fd_}) {
    if (fd >= 0) close(fd);
  }
}

int BlobFiles::ShardFd(const Digest& digest) const {
  const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  return shard_fds_[value(digest.hash[0]) * 16 + value(digest.hash[1])];
}

BlobFiles::State BlobFiles::Look(const BlobKey& key) const {
  static constexpr char kDigits[] = "0123456789abcdef";
  // Without an allocation: this is done for each file of each tree that is submitted.
  char name[kHashEnd + 1 + kMaxSizeDigits + 1];
  for (size_t i = 1; i < key.hash.size(); ++i) {
    name[2 * i - 2] = kDigits[key.hash[i] >> 4];
    name[2 * i - 1] = kDigits[key.hash[i] & 15];
  }
  name[kHashEnd] = '-';
  *std::to_chars(name + kHashEnd + 1, name + sizeof(name) - 1, key.size_bytes).ptr = '\0';
  struct stat st;
  if (fstatat(shard_fds_[key.shard()], name, &st, AT_SYMLINK_NOFOLLOW) != 0) return State::kAbsent;
  return S_ISREG(st.st_mode) && st.st_size == key.size_bytes ? State::kPresent : State::kWrongSize;
}

absl::StatusOr<BlobFiles::Unfinished> BlobFiles::Create(const Digest& digest) {
  Unfinished file;
  if (unnamed_files_) {
    file.fd = openat(ShardFd(digest), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, kBlobMode);
  } else {
    file.name = absl::StrCat(next_temporary_++);
    file.fd = openat(temporary_fd_, file.name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
                     kBlobMode);
  }
  if (file.fd < 0) return ErrnoStatus(errno, "creating its file");
  return file;
}

void BlobFiles::Discard(const Unfinished& file) {
  if (file.fd >= 0) close(file.fd);
  if (!file.name.empty()) unlinkat(temporary_fd_, file.name.c_str(), 0);
}

absl::Status BlobFiles::Link(const Digest& digest, const Unfinished& file) {
  if (!created_with_mode_ && fchmod(file.fd, kBlobMode) != 0) return ErrnoStatus(errno, "fchmod");
  const std::string name = FileName(digest);
  int result = -1;
  if (!file.name.empty()) {
    result = linkat(temporary_fd_, file.name.c_str(), ShardFd(digest), name.c_str(), 0);
  } else {
    // By its descriptor takes a capability, or a new kernel; by way of /proc, which is slower,
    // none.
    if (links_descriptors_) {
      result = linkat(file.fd, "", ShardFd(digest), name.c_str(), AT_EMPTY_PATH);
      if (result != 0 && errno == ENOENT) links_descriptors_ = false;
    }
    if (!links_descriptors_) {
      result = linkat(AT_FDCWD, absl::StrCat("/proc/self/fd/", file.fd).c_str(), ShardFd(digest),
                      name.c_str(), AT_SYMLINK_FOLLOW);
    }
  }
  if (result == 0) return absl::OkStatus();
  if (errno == EEXIST) return absl::AlreadyExistsError("its name is taken");
  return ErrnoStatus(errno, "giving its file its name");
}

absl::StatusOr<int> BlobFiles::OpenToRead(const Digest& digest) const {
  const int fd = openat(ShardFd(digest), FileName(digest).c_str(),
                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0) return fd;
  if (errno == ENOENT) return absl::NotFoundError("it has no file");
  return ErrnoStatus(errno, "opening its file");
}

void BlobFiles::CountQuarantine() {
  absl::MutexLock lock(&quarantine_mutex_);
  ForEachName(quarantine_fd_, [this](const std::string& name) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    struct stat st;
    if (fstatat(quarantine_fd_, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return;
    ++quarantine_files_;
    quarantine_bytes_ += st.st_size;
  }).IgnoreError();  // then more is kept than was meant
}

bool BlobFiles::TakeQuarantineRoom(int64_t bytes) {
  absl::MutexLock lock(&quarantine_mutex_);
  if (quarantine_files_ >= kQuarantineFiles || bytes > kQuarantineBytes - quarantine_bytes_) {
    return false;
  }
  ++quarantine_files_;
  quarantine_bytes_ += bytes;
  return true;
}

void BlobFiles::KeepDamaged(const Digest& digest, int fd, int64_t offset) {
  if (!TakeQuarantineRoom(digest.size_bytes)) return;
  const std::string name = absl::StrCat(digest.hash, "-", digest.size_bytes);
  unlinkat(quarantine_fd_, name.c_str(), 0);
  const FileDescriptor copy(openat(quarantine_fd_, name.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                                   kBlobMode));
  std::string bytes(static_cast<size_t>(digest.size_bytes), '\0');
  const ssize_t read = copy.valid() ? blob::ReadAt(fd, offset, bytes.size(), bytes.data()) : 0;
  if (read <= 0) return;
  // A copy for a person to look at: without one, the log still tells.
  blob::WriteAll(copy.get(), absl::string_view(bytes.data(), read)).IgnoreError();
}

bool BlobFiles::Quarantine(const Digest& digest, int fd) {
  const std::string name = FileName(digest);
  struct stat damaged;
  struct stat named;
  if (fstat(fd, &damaged) != 0 ||
      fstatat(ShardFd(digest), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
      damaged.st_ino != named.st_ino) {
    return false;
  }
  const std::string kept = absl::StrCat(digest.hash, "-", digest.size_bytes);
  if (TakeQuarantineRoom(damaged.st_size) &&
      renameat(ShardFd(digest), name.c_str(), quarantine_fd_, kept.c_str()) == 0) {
    return true;
  }
  const int flags = S_ISDIR(damaged.st_mode) ? AT_REMOVEDIR : 0;
  return unlinkat(ShardFd(digest), name.c_str(), flags) == 0;
}

bool BlobFiles::QuarantineByName(const Digest& digest) {
  const int fd = openat(ShardFd(digest), FileName(digest).c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return false;
  const bool moved = Quarantine(digest, fd);
  close(fd);
  return moved;
}

absl::Status BlobFiles::Remove(const Digest& digest) {
  if (unlinkat(ShardFd(digest), FileName(digest).c_str(), 0) == 0 || errno == ENOENT) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, absl::StrCat("removing blob ", digest.ToString()));
}

absl::Status BlobFiles::List(int shard, const std::function<void(const BlobKey&)>& found) const {
  const std::string start = absl::StrFormat("%02x", shard);
  return ForEachName(shard_fds_[shard], [&](absl::string_view name) {
    int64_t size;
    if (name.size() < kHashEnd + 2 || name[kHashEnd] != '-' ||
        !absl::SimpleAtoi(name.substr(kHashEnd + 1), &size)) {
      return;
    }
    const auto digest = blob::MakeDigest(absl::StrCat(start, name.substr(0, kHashEnd)), size);
    // A stranger's file, or a name that nobody would look for.
    if (!digest.ok() || FileName(*digest) != name) return;
    found(BlobKey::Of(*digest));
  });
}

absl::Status BlobFiles::Sync() {
  if (syncfs(root_fd_) == 0) return absl::OkStatus();
  // The kernel tells of a failed write only once: a second try would claim what isn't true.
  if (errno == EIO) LOG(FATAL) << "syncing the blob store: what is durable is unknown, stopping";
  return ErrnoStatus(errno, "syncing the blob store to disk");
}

DiskRoom BlobFiles::Room() const {
  struct statvfs st;
  DiskRoom room;
  if (fstatvfs(root_fd_, &st) != 0) return room;
  room.bytes = static_cast<int64_t>(st.f_blocks) * st.f_frsize;
  room.free_bytes = static_cast<int64_t>(st.f_bavail) * st.f_frsize;
  room.inodes = static_cast<int64_t>(st.f_files);
  room.free_inodes = static_cast<int64_t>(st.f_favail);
  return room;
}

}  // namespace rally::cas
