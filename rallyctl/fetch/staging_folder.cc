#include "rallyctl/fetch/staging_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/blob/file_digest.h"
#include "common/blob/unfinished_fetch.h"
#include "rallyctl/exit_status.h"
#include "rallyctl/fetch/install_tree.h"
#include "rallyctl/submission.h"

namespace rally::rallyctl {
namespace {

constexpr int kOpenFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
// Other threads may make files until they notice that their folders are gone.
constexpr int kRemovals = 10;
// Another fetch has to come between two system calls to make one more necessary.
constexpr int kCreations = 3;

// What can't be looked at or removed stays: it is in nobody's way.
void RemoveAbandoned(int target) {
  const auto names = NamesIn(target);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (!blob::IsUnfinishedFetch(name)) continue;
    const FileDescriptor folder(openat(target, name.c_str(), kOpenFolder));
    if (!folder.valid() || flock(folder.get(), LOCK_EX | LOCK_NB) != 0) continue;
    RemoveTree(target, name.c_str()).IgnoreError();
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<StagingFolder>> StagingFolder::Make(int target,
                                                                   const std::string& shown,
                                                                   bool ends_on_interrupt) {
  RemoveAbandoned(target);
  for (int tries = 1;; ++tries) {
    std::unique_ptr<StagingFolder> made(new StagingFolder(target, shown, ends_on_interrupt));
    absl::Status status = made->Create();
    if (status.ok()) return made;
    if (!absl::IsAborted(status) || tries == kCreations) return status;
  }
}

StagingFolder::StagingFolder(int target, const std::string& shown, bool ends_on_interrupt)
    : target_(target),
      shown_(shown),
      name_(absl::StrCat(blob::kUnfinishedFetchPrefix,
                         RandomKey().substr(0, blob::kUnfinishedFetchDigits))) {
  if (ends_on_interrupt) {
    interrupts_.emplace([this](int) { OnInterrupt(); });
  }
}

absl::Status StagingFolder::Create() {
  if (mkdirat(target_, name_.c_str(), 0700) != 0) {
    return blob::ErrnoStatus(errno, absl::StrCat("making a folder in ", shown_));
  }
  folder_ = FileDescriptor(openat(target_, name_.c_str(), kOpenFolder));
  if (!folder_.valid() && errno != ENOENT) {
    return blob::ErrnoStatus(errno, absl::StrCat("opening a new folder in ", shown_));
  }
  // Where there are no locks, nobody removes what isn't his.
  struct stat mine, named;
  const bool taken = !folder_.valid() ||
                     (flock(folder_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) ||
                     fstat(folder_.get(), &mine) != 0 ||
                     fstatat(target_, name_.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
                     mine.st_ino != named.st_ino;
  if (!taken) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat("another fetch into ", shown_, " removed what this one began; try again"));
}

StagingFolder::~StagingFolder() {
  BeginInstall();
  RemoveTree(target_, name_.c_str()).IgnoreError();  // Nothing better can be done with its error.
}

void StagingFolder::BeginInstall() {
  absl::MutexLock lock(&mutex_);
  installing_ = true;
}

void StagingFolder::OnInterrupt() {
  // Held to the end: whoever wants to install waits, and is gone.
  absl::MutexLock lock(&mutex_);
  if (installing_) return;
  for (int i = 0; i < kRemovals && !RemoveTree(target_, name_.c_str()).ok(); ++i) {
  }
  dprintf(STDERR_FILENO, "rallyctl: interrupted; nothing was put in %s\n", shown_.c_str());
  _exit(static_cast<int>(ExitStatus::kCancelled));
}

}  // namespace rally::rallyctl
