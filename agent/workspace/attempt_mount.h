#ifndef RALLY_AGENT_WORKSPACE_ATTEMPT_MOUNT_H_
#define RALLY_AGENT_WORKSPACE_ATTEMPT_MOUNT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/workspace/attempt_record.h"
#include "agent/workspace/idmapped_view.h"
#include "agent/workspace/overlay_mount.h"
#include "agent/workspace/trash.h"

namespace rally::workspace {

// Where attempts lie on disk, and their mounts: "attempts/NAME" has record, upper and work,
// "mounts/NAME" is the mount point, "views/NAME" an idmapped view while the overlay is mounted.
// It knows nothing of trees but their layers' names.
//
// Ownership: the trash must outlive it. Threads: thread-safe; the caller lets one thread at a time
// work on an attempt. Blocking: on the disk and the kernel.
class AttemptMounts {
 public:
  AttemptMounts(std::string directory, OverlayFeatures features, Trash* trash)
      : directory_(std::move(directory)), features_(features), trash_(trash) {}

  // Makes the directories, and removes views that a crash left. Before all else.
  absl::Status Recover();

  std::string MountPoint(const std::string& attempt) const;
  std::string AttemptDirectory(const std::string& attempt) const;
  std::string Upper(const std::string& attempt) const;

  // Idempotent; returns the mount point.
  absl::StatusOr<std::string> CreateMountPoint(const std::string& attempt);

  // A fresh upper and the record on disk, then the overlay at the mount point, which exists.
  absl::Status Mount(const std::string& attempt, const AttemptRecord& record);

  // Detaches and forgets everything. Idempotent.
  absl::Status Remove(const std::string& attempt);

  // All that have a directory or a mount point, sorted.
  std::vector<std::string> All() const;

 private:
  std::string View(const std::string& attempt) const;
  absl::Status PrepareUpper(const std::string& attempt, const AttemptRecord& record);
  absl::Status MountLayers(const std::string& attempt, const AttemptRecord& record);

  const std::string directory_;
  const OverlayFeatures features_;
  Trash* const trash_;
  IdmappedViews views_;
};

absl::Status MakeDirectory(const std::string& path);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_ATTEMPT_MOUNT_H_
