#include "agent/data_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/blob/file_digest.h"

namespace rally::agent {
namespace {

absl::Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot make the directory ", path));
}

// With all its parents, which others may look into.
absl::Status MakePath(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    if (mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot make the directory ", parent));
    }
  }
  return MakeDirectory(path);
}

absl::Status RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot remove ", path));
}

constexpr int64_t kReserveBytes = 16 << 20;
// On a small disk, this part of it.
constexpr int64_t kReserveDivisor = 16;
constexpr int64_t kFullBelowBytes = 1 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::Open(const std::string& path) {
  if (absl::Status status = MakePath(path); !status.ok()) return status;
  const std::string lock = path + "/lock";
  const int fd = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", lock));
  std::unique_ptr<DataDirectory> directory(new DataDirectory(path, fd));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return absl::ErrnoToStatus(errno, absl::StrCat("cannot lock ", lock));
    return absl::FailedPreconditionError(absl::StrCat(
        "another rally-agent uses ", path, "; stop it, or give this one another --data"));
  }
  // To start on a full disk, and clean up there.
  directory->SpendReserveIfFull();
  for (const char* folder : {"/bin", "/fifos", "/keeper", "/logs", "/starts", "/workspaces"}) {
    if (absl::Status status = MakeDirectory(path + folder); !status.ok()) return status;
  }
  return directory;
}

DataDirectory::~DataDirectory() { close(lock_fd_); }

std::string DataDirectory::stdout_fifo(const std::string& attempt) const {
  return absl::StrCat(path_, "/fifos/", attempt, ".stdout");
}

std::string DataDirectory::stderr_fifo(const std::string& attempt) const {
  return absl::StrCat(path_, "/fifos/", attempt, ".stderr");
}

std::vector<std::string> DataDirectory::Spools() const {
  std::vector<std::string> names;
  DIR* directory = opendir((path_ + "/logs").c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') names.push_back(entry->d_name);
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status DataDirectory::RemoveSpool(const std::string& attempt) const {
  return RemoveFile(spool(attempt));
}

absl::Status DataDirectory::RemoveStartReport(const std::string& attempt) const {
  return RemoveFile(start_report(attempt));
}

absl::Status DataDirectory::InstallInit(absl::string_view executable) const {
  // A new file under the name, since the old one can't be written while a step runs it.
  const std::string fresh = init() + ".new";
  unlink(fresh.c_str());
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", fresh));
  absl::Status status = blob::WriteAll(fd, executable);
  if (status.ok() && fchmod(fd, 0755) != 0) status = absl::ErrnoToStatus(errno, "chmod");
  if (status.ok() && fsync(fd) != 0) status = absl::ErrnoToStatus(errno, "fsync");
  close(fd);
  if (status.ok() && rename(fresh.c_str(), init().c_str()) != 0) {
    status = absl::ErrnoToStatus(errno, "rename");
  }
  if (status.ok()) return status;
  unlink(fresh.c_str());
  return absl::Status(status.code(),
                      absl::StrCat("cannot install ", init(), ": ", status.message()));
}

absl::StatusOr<DataDirectory::Space> DataDirectory::MeasureSpace() const {
  struct statvfs space;
  if (statvfs(path_.c_str(), &space) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot measure the space of ", path_));
  }
  const int64_t block = static_cast<int64_t>(space.f_frsize);
  return Space{static_cast<int64_t>(space.f_bavail) * block,
               static_cast<int64_t>(space.f_blocks) * block};
}

void DataDirectory::KeepReserve() const {
  const std::string path = path_ + "/reserve";
  if (access(path.c_str(), F_OK) == 0) return;
  const auto space = MeasureSpace();
  if (!space.ok()) return;
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return;
  const int64_t bytes = std::min(kReserveBytes, space->total_bytes / kReserveDivisor);
  if (posix_fallocate(fd, 0, bytes) != 0) unlink(path.c_str());
  close(fd);
}

void DataDirectory::SpendReserve() const { unlink((path_ + "/reserve").c_str()); }

void DataDirectory::SpendReserveIfFull() const {
  const auto space = MeasureSpace();
  if (space.ok() && space->free_bytes < kFullBelowBytes) SpendReserve();
}

}  // namespace rally::agent
