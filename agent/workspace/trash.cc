#include "agent/workspace/trash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/file_descriptor.h"

namespace rally::workspace {
namespace {

// A directory that is being emptied; a stack of these replaces recursion, since a step's tree can
// be as deep as it likes. Each holds one descriptor, so beyond kMaxOpen subtrees are moved up.
struct OpenDirectory {
  std::string name;
  FileDescriptor fd;
  std::vector<std::string> children;  // Directories not yet removed.
};
constexpr size_t kMaxOpen = 64;

absl::Status Failed(const char* what, const std::string& name) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", name));
}

// Unlinks all but directories, whose names it returns.
absl::StatusOr<std::vector<std::string>> RemoveFiles(int directory) {
  const int listing_fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  std::unique_ptr<DIR, int (*)(DIR*)> listing(listing_fd < 0 ? nullptr : ::fdopendir(listing_fd),
                                              &::closedir);
  if (listing == nullptr) {
    if (listing_fd >= 0) ::close(listing_fd);
    return Failed("listing", "a directory to be removed");
  }
  std::vector<std::string> directories;
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (entry->d_type != DT_DIR && ::unlinkat(directory, name.c_str(), 0) == 0) continue;
    if (entry->d_type != DT_DIR && errno != EISDIR && errno != ENOENT) {
      return Failed("removing", name);
    }
    if (entry->d_type == DT_DIR || errno == EISDIR) directories.push_back(name);
  }
  return directories;
}

}  // namespace

absl::Status RemoveTree(int parent, const std::string& name) {
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return absl::OkStatus();
  if (errno != EISDIR) return Failed("removing", name);
  struct stat parent_stat;
  if (::fstat(parent, &parent_stat) != 0) return Failed("stat of the parent of", name);
  std::vector<OpenDirectory> stack;
  uint64_t moved = 0;
  // What is to be removed from `parent`: the tree, and what was moved up from too deep inside it.
  std::vector<std::string> roots = {name};
  const auto enter = [&](int above, const std::string& child) -> absl::Status {
    FileDescriptor fd(
        ::openat(above, child.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat here;
    if (!fd.valid() || ::fstat(fd.get(), &here) != 0) return Failed("opening", child);
    if (here.st_dev != parent_stat.st_dev) {
      return absl::FailedPreconditionError(
          absl::StrCat("something is mounted at ", child, "; it is left alone"));
    }
    auto children = RemoveFiles(fd.get());
    if (!children.ok()) return children.status();
    stack.push_back({child, std::move(fd), *std::move(children)});
    return absl::OkStatus();
  };
  while (!roots.empty()) {
    const std::string root = roots.back();
    roots.pop_back();
    absl::Status status = enter(parent, root);
    while (status.ok() && !stack.empty()) {
      OpenDirectory& top = stack.back();
      if (top.children.empty()) {
        const std::string done = top.name;
        stack.pop_back();
        const int above = stack.empty() ? parent : stack.back().fd.get();
        if (::unlinkat(above, done.c_str(), AT_REMOVEDIR) != 0) return Failed("removing", done);
        continue;
      }
      const std::string child = top.children.back();
      top.children.pop_back();
      if (stack.size() < kMaxOpen) {
        status = enter(top.fd.get(), child);
        continue;
      }
      const std::string shallow = absl::StrCat(name, ".", ++moved);
      if (::renameat(top.fd.get(), child.c_str(), parent, shallow.c_str()) != 0) {
        return Failed("moving", child);
      }
      roots.push_back(shallow);
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

Trash::Trash(std::string directory) : directory_(std::move(directory)) {
  ::mkdir(directory_.c_str(), 0700);
}

absl::Status Trash::Take(const std::string& path) {
  while (true) {
    const std::string target = absl::StrCat(directory_, "/", ::getpid(), "-", next_++);
    // NOREPLACE: a file left from an earlier process of this number isn't overwritten by chance.
    if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0) {
      return absl::OkStatus();
    }
    if (errno == ENOENT) return absl::OkStatus();
    if (errno != EEXIST) return Failed("moving to the trash:", path);
  }
}

absl::Status Trash::Empty() {
  FileDescriptor directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return Failed("opening", directory_);
  absl::Status first_error;
  auto children = RemoveFiles(directory.get());
  if (!children.ok()) return children.status();
  for (const std::string& child : *children) {
    const absl::Status status = RemoveTree(directory.get(), child);
    if (first_error.ok()) first_error = status;
  }
  return first_error;
}

}  // namespace rally::workspace
