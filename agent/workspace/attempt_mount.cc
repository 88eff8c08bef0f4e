#include "agent/workspace/attempt_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "agent/workspace/small_file.h"
#include "agent/workspace/tree_catalog.h"
#include "common/blob/directory.h"
#include "common/blob/file_digest.h"

namespace rally::workspace {
namespace {

absl::Status RemoveEmptyDirectory(const std::string& path) {
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return blob::ErrnoStatus(errno, absl::StrCat("removing ", path));
}

// Relative to the store's directory.
std::string NameOf(const std::string& attempt) { return absl::StrCat("attempts/", attempt); }

}  // namespace

absl::Status MakeDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  return blob::ErrnoStatus(errno, absl::StrCat("creating ", path));
}

std::string AttemptMounts::MountPoint(const std::string& attempt) const {
  return absl::StrCat(directory_, "/mounts/", attempt);
}

std::string AttemptMounts::AttemptDirectory(const std::string& attempt) const {
  return absl::StrCat(directory_, "/", NameOf(attempt));
}

std::string AttemptMounts::Upper(const std::string& attempt) const {
  return absl::StrCat(AttemptDirectory(attempt), "/upper");
}

std::string AttemptMounts::View(const std::string& attempt) const {
  return absl::StrCat(directory_, "/views/", attempt);
}

absl::Status AttemptMounts::Recover() {
  for (const char* name : {"/mounts", "/attempts", "/views"}) {
    const absl::Status made = MakeDirectory(absl::StrCat(directory_, name));
    if (!made.ok()) return made;
  }
  const auto views = NamesIn(absl::StrCat(directory_, "/views"));
  if (!views.ok()) return views.status();
  for (const std::string& view : *views) {
    absl::Status status = DetachAll(View(view));
    if (status.ok()) status = RemoveEmptyDirectory(View(view));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> AttemptMounts::CreateMountPoint(const std::string& attempt) {
  const std::string path = MountPoint(attempt);
  absl::Status status = MakeDirectory(path);
  if (status.ok()) status = BindShared(path);
  if (!status.ok()) return status;
  return path;
}

absl::Status AttemptMounts::Mount(const std::string& attempt, const AttemptRecord& record) {
  const absl::Status prepared = PrepareUpper(attempt, record);
  return prepared.ok() ? MountLayers(attempt, record) : prepared;
}

absl::Status AttemptMounts::PrepareUpper(const std::string& attempt, const AttemptRecord& record) {
  const std::string directory = AttemptDirectory(attempt);
  absl::Status status = trash_->Take(directory);
  for (const char* name : {"", "/upper", "/work"}) {
    if (status.ok()) status = MakeDirectory(absl::StrCat(directory, name));
  }
  if (!status.ok()) return status;
  // The upper's root is what the step sees as the workspace itself.
  const std::string lower =
      absl::StrCat(directory_, "/", TreeCatalog::LayerName(record.layers.front()));
  const std::string upper = absl::StrCat(directory, "/upper");
  struct stat stat;
  if (::stat(lower.c_str(), &stat) != 0) {
    return blob::ErrnoStatus(errno, absl::StrCat("stat ", lower));
  }
  const timespec times[] = {{0, UTIME_OMIT}, stat.st_mtim};
  if (::chmod(upper.c_str(), stat.st_mode & blob::kModeMask) != 0 ||
      ::utimensat(AT_FDCWD, upper.c_str(), times, 0) != 0) {
    return blob::ErrnoStatus(errno, absl::StrCat("preparing ", upper));
  }
  return WriteAttemptRecord(directory, record);
}

absl::Status AttemptMounts::MountLayers(const std::string& attempt, const AttemptRecord& record) {
  OverlayLayers layers;
  layers.directory = directory_;
  for (const uint64_t layer : record.layers) {
    layers.lowers.push_back(TreeCatalog::LayerName(layer));
  }
  layers.upper = absl::StrCat(NameOf(attempt), "/upper");
  layers.work = absl::StrCat(NameOf(attempt), "/work");
  const std::string mount_point = MountPoint(attempt);
  if (record.uid == 0 && record.gid == 0) return MountOverlay(features_, layers, mount_point);

  // All layers in one mapped view: upper and work must be on the same mount. The overlay keeps its
  // own clones, so the view goes away again.
  layers.directory = View(attempt);
  absl::Status status = MakeDirectory(layers.directory);
  if (!status.ok()) return status;
  const auto remove_view = absl::MakeCleanup([&layers] {
    // Should this fail, the next start of the agent or Discard does it.
    DetachAll(layers.directory).IgnoreError();
    RemoveEmptyDirectory(layers.directory).IgnoreError();
  });
  status = views_.Mount(directory_, layers.directory, record.uid, record.gid);
  if (!status.ok()) return status;
  return MountOverlay(features_, layers, mount_point);
}

absl::Status AttemptMounts::Remove(const std::string& attempt) {
  absl::Status status;
  for (const std::string& mounted : {MountPoint(attempt), View(attempt)}) {
    if (status.ok()) status = DetachAll(mounted);
    if (status.ok()) status = RemoveEmptyDirectory(mounted);
  }
  if (status.ok()) status = trash_->Take(AttemptDirectory(attempt));
  return status;
}

std::vector<std::string> AttemptMounts::All() const {
  std::vector<std::string> attempts;
  for (const char* name : {"/attempts", "/mounts"}) {
    const auto names = NamesIn(absl::StrCat(directory_, name));
    if (!names.ok()) continue;
    attempts.insert(attempts.end(), names->begin(), names->end());
  }
  std::sort(attempts.begin(), attempts.end());
  attempts.erase(std::unique(attempts.begin(), attempts.end()), attempts.end());
  return attempts;
}

}  // namespace rally::workspace
