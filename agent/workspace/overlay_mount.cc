#include "agent/workspace/overlay_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/file_descriptor.h"

namespace rally::workspace {
namespace {

// A page minus a margin. Beyond a page the kernel drops options silently.
constexpr size_t kMaxMountOptionBytes = 4000;

absl::Status ErrnoStatus(const std::string& what) { return absl::ErrnoToStatus(errno, what); }

// The kernel explains a refused fsconfig in messages that are read from the context.
std::string KernelMessages(int context) {
  std::string all;
  char line[512];
  for (int i = 0; i < 16; ++i) {
    const ssize_t length = ::read(context, line, sizeof(line));
    if (length <= 0) break;
    absl::StrAppend(&all, all.empty() ? "" : "; ",
                    absl::string_view(line, static_cast<size_t>(length)));
  }
  while (!all.empty() && all.back() == '\n') all.pop_back();
  return all;
}

absl::Status ConfigError(int context, const std::string& what) {
  const int saved = errno;
  const std::string messages = KernelMessages(context);
  return absl::ErrnoToStatus(saved, absl::StrCat(what, messages.empty() ? "" : ": ", messages));
}

absl::Status SetOption(int context, const char* key, const std::string& value) {
  if (::fsconfig(context, FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0) {
    return absl::OkStatus();
  }
  return ConfigError(context, absl::StrCat("overlay option ", key, "=", value));
}

// Runs `work` in a thread whose working directory is `directory`; the agent's stays. Layer names
// can then be relative, hence short: fsconfig takes 256 bytes per name, mount(2) a page for all.
absl::Status RunInDirectory(const std::string& directory,
                            const std::function<absl::Status()>& work) {
  absl::Status status;
  std::thread([&] {
    if (::unshare(CLONE_FS) != 0 || ::chdir(directory.c_str()) != 0) {
      status = ErrnoStatus(absl::StrCat("entering ", directory));
    } else {
      status = work();
    }
  }).join();
  return status;
}

// A mounted overlay that is attached nowhere. The working directory is the layers' directory.
absl::StatusOr<FileDescriptor> CreateDetachedHere(const OverlayLayers& layers,
                                                  bool volatile_upper) {
  FileDescriptor context(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context.valid()) return ErrnoStatus("fsopen overlay");
  std::vector<std::pair<const char*, std::string>> options = {{"source", "rally"}};
  for (const std::string& lower : layers.lowers) options.emplace_back("lowerdir+", lower);
  options.insert(options.end(), {{"upperdir", layers.upper},
                                 {"workdir", layers.work},
                                 {"redirect_dir", "on"},
                                 {"metacopy", "off"},
                                 {"index", "off"}});
  for (const auto& [key, value] : options) {
    const absl::Status status = SetOption(context.get(), key, value);
    if (!status.ok()) return status;
  }
  if (volatile_upper && ::fsconfig(context.get(), FSCONFIG_SET_FLAG, "volatile", nullptr, 0) != 0) {
    return ConfigError(context.get(), "overlay option volatile");
  }
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return ConfigError(context.get(), "creating the overlay");
  }
  FileDescriptor mounted(
      ::fsmount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  if (!mounted.valid()) return ErrnoStatus("fsmount overlay");
  return mounted;
}

absl::StatusOr<FileDescriptor> CreateDetached(const OverlayLayers& layers, bool volatile_upper) {
  absl::StatusOr<FileDescriptor> mounted = absl::UnknownError("not tried");
  const absl::Status status = RunInDirectory(layers.directory, [&] {
    mounted = CreateDetachedHere(layers, volatile_upper);
    return mounted.status();
  });
  if (!status.ok()) return status;
  return mounted;
}

absl::Status MountByOptionString(const OverlayLayers& layers, bool volatile_upper,
                                 const std::string& mount_point) {
  const std::string options =
      absl::StrCat("lowerdir=", absl::StrJoin(layers.lowers, ":"), ",upperdir=", layers.upper,
                   ",workdir=", layers.work, ",redirect_dir=on,metacopy=off,index=off",
                   volatile_upper ? ",volatile" : "");
  if (options.size() >= kMaxMountOptionBytes) {
    return absl::FailedPreconditionError(
        absl::StrCat("the overlay of ", layers.lowers.size(), " layers needs ", options.size(),
                     " bytes of mount options, and this kernel takes ", kMaxMountOptionBytes,
                     "; lower max_layers"));
  }
  return RunInDirectory(layers.directory, [&] {
    if (::mount("rally", mount_point.c_str(), "overlay", MS_NOSUID | MS_NODEV, options.c_str()) ==
        0) {
      return absl::OkStatus();
    }
    return ErrnoStatus(absl::StrCat("mounting an overlay with ", options));
  });
}

bool TakesLayersOneByOne() {
  FileDescriptor context(::fsopen("overlay", FSOPEN_CLOEXEC));
  return context.valid() &&
         ::fsconfig(context.get(), FSCONFIG_SET_STRING, "lowerdir+", "/", 0) == 0;
}

// Writes, renames a lower directory, and deletes a lower file: what needs trusted xattrs and
// whiteouts on the upper's filesystem. The kernel mounts without them, silently crippled.
absl::Status TryOut(int merged) {
  FileDescriptor file(::openat(merged, "probe", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  if (!file.valid() || ::write(file.get(), "x", 1) != 1) return ErrnoStatus("writing a file");
  if (::renameat(merged, "moved", merged, "moved-here") != 0) {
    return ErrnoStatus("renaming a lower directory");
  }
  if (::unlinkat(merged, "removed", 0) != 0) return ErrnoStatus("removing a lower file");
  return absl::OkStatus();
}

absl::Status ProbeIn(const std::string& directory, OverlayFeatures& features) {
  for (const char* name : {"/lower", "/lower/moved", "/upper", "/work", "/mounted"}) {
    if (::mkdir(absl::StrCat(directory, name).c_str(), 0700) != 0) {
      return ErrnoStatus(absl::StrCat("mkdir ", directory, name));
    }
  }
  FileDescriptor removed(::open(absl::StrCat(directory, "/lower/removed").c_str(),
                                O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  if (!removed.valid()) return ErrnoStatus(absl::StrCat("creating a file in ", directory));
  const OverlayLayers layers{directory, {"lower"}, "upper", "work"};
  features.layer_by_layer = TakesLayersOneByOne();
  absl::Status status;
  for (const bool volatile_upper : {true, false}) {
    features.volatile_upper = volatile_upper;
    if (features.layer_by_layer) {
      auto mounted = CreateDetached(layers, volatile_upper);
      status = mounted.ok() ? TryOut(mounted->get()) : mounted.status();
    } else {
      const std::string target = absl::StrCat(directory, "/mounted");
      status = MountByOptionString(layers, volatile_upper, target);
      if (status.ok()) {
        FileDescriptor merged(::open(target.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
        status = merged.valid() ? TryOut(merged.get()) : ErrnoStatus("opening the overlay");
        merged.Close();
        ::umount2(target.c_str(), MNT_DETACH);
      }
    }
    if (status.ok()) return status;
  }
  return status;
}

void RemoveProbe(const std::string& directory) {
  // Only what ProbeIn made, and what overlayfs leaves in its work directory.
  for (const char* name : {"/lower/removed", "/upper/removed", "/upper/moved", "/upper/probe",
                           "/work/work/incompat/volatile/dirty"}) {
    ::unlink(absl::StrCat(directory, name).c_str());
  }
  for (const char* name :
       {"/work/work/incompat/volatile", "/work/work/incompat", "/work/work", "/work/index", "/work",
        "/upper/moved-here", "/upper", "/lower/moved", "/lower", "/mounted", ""}) {
    ::rmdir(absl::StrCat(directory, name).c_str());
  }
}

}  // namespace

absl::StatusOr<OverlayFeatures> ProbeOverlay(const std::string& directory) {
  struct statfs filesystem;
  if (::statfs(directory.c_str(), &filesystem) != 0) {
    return ErrnoStatus(absl::StrCat("statfs ", directory));
  }
  if (filesystem.f_type == OVERLAYFS_SUPER_MAGIC) {
    return absl::FailedPreconditionError(absl::StrCat(
        directory,
        " lies on an overlay filesystem (is the agent in a container?), and a workspace "
        "can't be written through two overlays; give the agent a data directory on a "
        "volume of a real filesystem (ext4, xfs, btrfs or tmpfs)"));
  }
  std::string scratch = absl::StrCat(directory, "/probe-XXXXXX");
  if (::mkdtemp(scratch.data()) == nullptr) {
    return ErrnoStatus(absl::StrCat("creating a directory in ", directory));
  }
  OverlayFeatures features;
  const absl::Status status = ProbeIn(scratch, features);
  RemoveProbe(scratch);
  if (!status.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "overlayfs doesn't work in ", directory, " (", status.message(),
        "); the agent must be root, and its data directory on a filesystem with d_type and trusted "
        "extended attributes (ext4, xfs with ftype=1, btrfs or tmpfs)"));
  }
  return features;
}

absl::Status MountOverlay(const OverlayFeatures& features, const OverlayLayers& layers,
                          const std::string& mount_point) {
  if (!features.layer_by_layer) {
    return MountByOptionString(layers, features.volatile_upper, mount_point);
  }
  auto mounted = CreateDetached(layers, features.volatile_upper);
  if (!mounted.ok()) return mounted.status();
  if (::move_mount(mounted->get(), "", AT_FDCWD, mount_point.c_str(), MOVE_MOUNT_F_EMPTY_PATH) !=
      0) {
    return ErrnoStatus(absl::StrCat("attaching the overlay to ", mount_point));
  }
  return absl::OkStatus();
}

absl::StatusOr<MountedHere> WhatIsMounted(const std::string& path) {
  struct statx attributes;
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &attributes) != 0) {
    if (errno == ENOENT) return MountedHere::kNothing;
    return ErrnoStatus(absl::StrCat("statx ", path));
  }
  if ((attributes.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0) return MountedHere::kNothing;
  struct statfs filesystem;
  if (::statfs(path.c_str(), &filesystem) != 0) return ErrnoStatus(absl::StrCat("statfs ", path));
  return filesystem.f_type == OVERLAYFS_SUPER_MAGIC ? MountedHere::kOverlay : MountedHere::kOther;
}

absl::Status BindShared(const std::string& path) {
  auto mounted = WhatIsMounted(path);
  if (!mounted.ok()) return mounted.status();
  if (*mounted != MountedHere::kNothing) return absl::OkStatus();
  FileDescriptor bind(::open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!bind.valid()) return ErrnoStatus(absl::StrCat("binding ", path));
  // Private first: a bind from a shared mount joins its peer group, and an overlay mounted here
  // would then appear a second time below, on the parent. Done before it is attached, so that a
  // crash leaves either all of it or nothing.
  for (const uint64_t propagation : {MS_PRIVATE, MS_SHARED}) {
    mount_attr attributes{};
    attributes.propagation = propagation;
    if (::mount_setattr(bind.get(), "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) != 0) {
      return ErrnoStatus(absl::StrCat("making a mount of ", path, " shared"));
    }
  }
  if (::move_mount(bind.get(), "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return ErrnoStatus(absl::StrCat("binding ", path, " onto itself"));
  }
  return absl::OkStatus();
}

absl::Status Unmount(const std::string& path, absl::Time give_up) {
  absl::Duration pause = absl::Milliseconds(1);
  while (::umount2(path.c_str(), UMOUNT_NOFOLLOW) != 0) {
    if (errno != EBUSY) return ErrnoStatus(absl::StrCat("unmounting ", path));
    if (absl::Now() >= give_up) {
      return absl::FailedPreconditionError(
          absl::StrCat("the workspace at ", path,
                       " is still in use by a process; it can't be captured before "
                       "the step's last process is dead"));
    }
    absl::SleepFor(pause);
    pause = std::min(pause * 2, absl::Milliseconds(50));
  }
  return absl::OkStatus();
}

absl::Status DetachAll(const std::string& path) {
  while (true) {
    auto mounted = WhatIsMounted(path);
    if (!mounted.ok()) return mounted.status();
    if (*mounted == MountedHere::kNothing) return absl::OkStatus();
    if (::umount2(path.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) != 0) {
      return ErrnoStatus(absl::StrCat("detaching ", path));
    }
  }
}

}  // namespace rally::workspace
