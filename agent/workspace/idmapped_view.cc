#include "agent/workspace/idmapped_view.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/file_descriptor.h"

namespace rally::workspace {
namespace {

// The last id is the kernel's "no id".
constexpr uint32_t kIds = 4294967295U;
constexpr size_t kMaxNamespaces = 64;

// A bijection over all ids that swaps 0 and `id`. Without the way back the mount would be read-only
// to the user, without a word.
std::string SwapMap(uint32_t id) {
  if (id == 0) return absl::StrCat("0 0 ", kIds, "\n");
  std::string map = absl::StrCat("0 ", id, " 1\n", id, " 0 1\n");
  if (id > 1) absl::StrAppend(&map, "1 1 ", id - 1, "\n");
  if (id + 1 < kIds) absl::StrAppend(&map, id + 1, " ", id + 1, " ", kIds - id - 1, "\n");
  return map;
}

absl::Status WriteMap(const std::string& path, const std::string& map) {
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid() ||
      ::write(file.get(), map.data(), map.size()) != static_cast<ssize_t>(map.size())) {
    return absl::ErrnoToStatus(errno, absl::StrCat("writing ", path));
  }
  return absl::OkStatus();
}

// The kernel takes an idmapping in the form of a user namespace, so a child process lives for as
// long as it takes to make one.
absl::StatusOr<FileDescriptor> UserNamespace(const std::string& uid_map,
                                             const std::string& gid_map) {
  // Like fork, without a signal at its end: nobody else waits for it by accident.
  const pid_t child =
      static_cast<pid_t>(::syscall(SYS_clone, CLONE_NEWUSER, nullptr, nullptr, nullptr, nullptr));
  if (child < 0) return absl::ErrnoToStatus(errno, "creating a user namespace");
  if (child == 0) {
    while (true) ::pause();
  }
  const auto reap = absl::MakeCleanup([child] {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, __WALL);
  });
  const std::string process = absl::StrCat("/proc/", child);
  absl::Status status = WriteMap(absl::StrCat(process, "/uid_map"), uid_map);
  if (status.ok()) status = WriteMap(absl::StrCat(process, "/gid_map"), gid_map);
  if (!status.ok()) return status;
  FileDescriptor result(::open(absl::StrCat(process, "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  if (!result.valid()) return absl::ErrnoToStatus(errno, "opening a user namespace");
  return result;
}

absl::Status Unsupported(const std::string& what, const std::string& directory, uint32_t uid) {
  const int saved = errno;
  return absl::FailedPreconditionError(absl::StrCat(
      "a step that runs as user ", uid, " needs idmapped mounts, and this host can't make one of ",
      directory, " (", what, ": ", std::system_category().message(saved),
      "); they need Linux 5.19 or newer and ext4, xfs or btrfs (tmpfs: 6.3). Run the step's image "
      "as root, or on another host"));
}

}  // namespace

absl::StatusOr<IdmappedViews::Namespace> IdmappedViews::NamespaceFor(uint32_t uid, uint32_t gid) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = namespaces_.find({uid, gid});
    if (found != namespaces_.end()) return found->second;
  }
  auto made = UserNamespace(SwapMap(uid), SwapMap(gid));
  if (!made.ok()) return made.status();
  Namespace result = std::make_shared<const FileDescriptor>(*std::move(made));
  absl::MutexLock lock(&mutex_);
  // Images have few users; this is only a bound.
  if (namespaces_.size() >= kMaxNamespaces) namespaces_.clear();
  namespaces_[{uid, gid}] = result;
  return result;
}

absl::Status IdmappedViews::Mount(const std::string& directory, const std::string& target,
                                  uint32_t uid, uint32_t gid) {
  if (uid >= kIds || gid >= kIds) {
    return absl::InvalidArgumentError(absl::StrCat("no such user or group: ", uid, ":", gid));
  }
  const auto user_namespace = NamespaceFor(uid, gid);
  if (!user_namespace.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "a step that runs as user ", uid,
        " needs a user namespace for its workspace: ", user_namespace.status().message()));
  }
  FileDescriptor view(
      ::open_tree(AT_FDCWD, directory.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!view.valid()) return Unsupported("open_tree", directory, uid);
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  attributes.propagation = MS_PRIVATE;
  attributes.userns_fd = static_cast<uint64_t>((*user_namespace)->get());
  if (::mount_setattr(view.get(), "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) != 0) {
    return Unsupported("mount_setattr", directory, uid);
  }
  if (::move_mount(view.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("attaching a view of ", directory, " to ", target));
  }
  return absl::OkStatus();
}

}  // namespace rally::workspace
