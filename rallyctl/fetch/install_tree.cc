#include "rallyctl/fetch/install_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/blob/directory.h"
#include "common/blob/file_digest.h"

namespace rally::rallyctl {
namespace {

constexpr int kOpenFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

class Folder {
 public:
  Folder(int parent, const char* name) : fd_(openat(parent, name, kOpenFolder)) {}
  ~Folder() {
    if (fd_ >= 0) close(fd_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

enum class Kind { kAbsent, kFolder, kOther };

Kind KindOf(int parent, const std::string& name) {
  struct stat found;
  if (fstatat(parent, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) return Kind::kAbsent;
  return S_ISDIR(found.st_mode) ? Kind::kFolder : Kind::kOther;
}

// Whether an entry's place can be taken. Two folders are merged.
absl::Status CheckPlace(Kind source, Kind target, const std::string& path, bool replace) {
  if (target == Kind::kFolder && source != Kind::kFolder) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, " is a folder there, and a file in the build; remove it first"));
  }
  if (target == Kind::kOther && !replace) {
    return absl::AlreadyExistsError(absl::StrCat(path, " is there already; --force replaces it"));
  }
  return absl::OkStatus();
}

// With `move` false only looks whether everything could be moved.
absl::Status Walk(int from, int to, const std::string& where, bool replace, bool move) {
  auto names = NamesIn(from);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::string path = absl::StrCat(where, name);
    const Kind source = KindOf(from, name);
    const Kind target = KindOf(to, name);
    if (source == Kind::kFolder && target == Kind::kFolder) {
      const Folder source_folder(from, name.c_str());
      const Folder target_folder(to, name.c_str());
      if (source_folder.fd() < 0 || target_folder.fd() < 0) {
        return blob::ErrnoStatus(errno, absl::StrCat("opening ", path));
      }
      absl::Status status =
          Walk(source_folder.fd(), target_folder.fd(), absl::StrCat(path, "/"), replace, move);
      if (!status.ok()) return status;
      continue;
    }
    absl::Status free = CheckPlace(source, target, path, replace);
    if (!free.ok()) return free;
    if (!move) continue;
    if (target == Kind::kOther && source == Kind::kFolder && unlinkat(to, name.c_str(), 0) != 0) {
      return blob::ErrnoStatus(errno, absl::StrCat("replacing ", path));
    }
    if (renameat(from, name.c_str(), to, name.c_str()) != 0) {
      return blob::ErrnoStatus(errno, absl::StrCat("putting ", path, " in its place"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBelow(blob::DirectoryReader& tree, const blob::Digest& folder, int to,
                        const std::string& where, bool replace) {
  auto directory = tree.Read(folder);
  if (!directory.ok()) return directory.status();
  const auto check = [&](Kind source, const std::string& name) {
    return CheckPlace(source, KindOf(to, name), absl::StrCat(where, name), replace);
  };
  for (const auto& file : (*directory)->files()) {
    if (absl::Status status = check(Kind::kOther, file.name()); !status.ok()) return status;
  }
  for (const auto& symlink : (*directory)->symlinks()) {
    if (absl::Status status = check(Kind::kOther, symlink.name()); !status.ok()) return status;
  }
  for (const auto& child : (*directory)->directories()) {
    if (absl::Status status = check(Kind::kFolder, child.name()); !status.ok()) return status;
    if (KindOf(to, child.name()) != Kind::kFolder) continue;
    const std::string path = absl::StrCat(where, child.name());
    const Folder target(to, child.name().c_str());
    if (target.fd() < 0) return blob::ErrnoStatus(errno, absl::StrCat("opening ", path));
    absl::Status status =
        CheckBelow(tree, blob::DigestOfNode(child), target.fd(), absl::StrCat(path, "/"), replace);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> NamesIn(int folder) {
  const int own = openat(folder, ".", kOpenFolder);
  if (own < 0) return blob::ErrnoStatus(errno, "opening a folder");
  DIR* stream = fdopendir(own);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(stream)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(stream);
  return names;
}

absl::Status CheckInstall(blob::DirectoryReader& tree, const blob::Digest& root, int to,
                          bool replace) {
  return CheckBelow(tree, root, to, "", replace);
}

absl::Status InstallTree(int from, int to, bool replace) {
  absl::Status possible = Walk(from, to, "", replace, /*move=*/false);
  if (!possible.ok()) return possible;
  return Walk(from, to, "", replace, /*move=*/true);
}

absl::Status RemoveTree(int parent, const char* name) {
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return absl::OkStatus();
  if (errno != EISDIR && errno != EPERM) {
    return blob::ErrnoStatus(errno, absl::StrCat("removing ", name));
  }
  {
    // What a step left unreadable must still go.
    if (fchmodat(parent, name, 0700, 0) != 0) {
      return blob::ErrnoStatus(errno, absl::StrCat("removing ", name));
    }
    const Folder folder(parent, name);
    if (folder.fd() < 0) return blob::ErrnoStatus(errno, absl::StrCat("opening ", name));
    auto names = NamesIn(folder.fd());
    if (!names.ok()) return names.status();
    for (const std::string& below : *names) {
      absl::Status status = RemoveTree(folder.fd(), below.c_str());
      if (!status.ok()) return status;
    }
  }
  if (unlinkat(parent, name, AT_REMOVEDIR) != 0) {
    return blob::ErrnoStatus(errno, absl::StrCat("removing ", name));
  }
  return absl::OkStatus();
}

}  // namespace rally::rallyctl
