#ifndef RALLY_AGENT_WORKSPACE_OVERLAY_MOUNT_H_
#define RALLY_AGENT_WORKSPACE_OVERLAY_MOUNT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace rally::workspace {

// What the kernel's overlayfs can do, found by trying.
struct OverlayFeatures {
  // fsconfig("lowerdir+"), one call per layer (Linux 6.7). Otherwise mount(2), whose whole option
  // string must stay below a page: the kernel cuts a longer one off without an error.
  bool layer_by_layer = false;
  // "volatile" (Linux 5.10): umount doesn't sync the upper. A crash of the host may then leave an
  // upper that looks whole and isn't; AttemptRecord::boot_id is why it is never captured.
  bool volatile_upper = false;
};

// The layers of one overlay. All paths are relative to `directory`.
struct OverlayLayers {
  std::string directory;
  std::vector<std::string> lowers;  // The topmost first.
  std::string upper;
  std::string work;
};

// Mounts an overlay in a scratch directory below `directory` without attaching it anywhere, and
// writes through it. FailedPrecondition with a text for people when the agent can't work here.
absl::StatusOr<OverlayFeatures> ProbeOverlay(const std::string& directory);

// Mounts at `mount_point`, nosuid and nodev. redirect_dir=on: tools rename directories.
// metacopy=off, index=off: an upper must be complete in itself, and may become a lower.
absl::Status MountOverlay(const OverlayFeatures& features, const OverlayLayers& layers,
                          const std::string& mount_point);

// What is mounted exactly at a path.
enum class MountedHere {
  kNothing,
  kOther,    // Some mount, for instance the attempt's shared bind mount.
  kOverlay,  // The workspace.
};
// A path that doesn't exist has nothing mounted.
absl::StatusOr<MountedHere> WhatIsMounted(const std::string& path);

// Binds `path` onto itself as a shared mount in a peer group of its own. Idempotent.
absl::Status BindShared(const std::string& path);

// Unmounts what is on top at `path`. A process that dies may keep it busy for a moment, so this
// retries until `give_up`, then answers FailedPrecondition.
absl::Status Unmount(const std::string& path, absl::Time give_up);

// Detaches everything at `path`, however many mounts there are and whoever uses them.
absl::Status DetachAll(const std::string& path);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_OVERLAY_MOUNT_H_
