#include "agent/runtime/image_user.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace rally::runtime {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;
constexpr size_t kMaxGroups = 1024;

// name:x:uid:gid:comment:home:shell
struct PasswdEntry {
  std::string name, home;
  uint32_t uid = 0, gid = 0;
};

std::optional<PasswdEntry> FindUser(absl::string_view passwd, absl::string_view name,
                                    std::optional<uint32_t> uid) {
  for (absl::string_view line : absl::StrSplit(passwd, '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ':');
    PasswdEntry entry;
    if (fields.size() < 6 || !absl::SimpleAtoi(fields[2], &entry.uid) ||
        !absl::SimpleAtoi(fields[3], &entry.gid)) {
      continue;
    }
    if (fields[0] != name && uid != entry.uid) continue;
    entry.name = std::string(fields[0]);
    entry.home = std::string(fields[5]);
    return entry;
  }
  return std::nullopt;
}

// name:x:gid:member,member
struct GroupEntry {
  absl::string_view name;
  uint32_t gid = 0;
  std::vector<absl::string_view> members;
};

std::vector<GroupEntry> ParseGroups(absl::string_view group) {
  std::vector<GroupEntry> entries;
  for (absl::string_view line : absl::StrSplit(group, '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ':');
    GroupEntry entry;
    if (fields.size() < 4 || !absl::SimpleAtoi(fields[2], &entry.gid)) continue;
    entry.name = fields[0];
    entry.members = absl::StrSplit(fields[3], ',', absl::SkipEmpty());
    entries.push_back(std::move(entry));
  }
  return entries;
}

// Where a layer's own entry ends the search: 0:0 character devices stand for deleted files.
bool IsWhiteout(const struct stat& found) {
  return S_ISCHR(found.st_mode) && found.st_rdev == makedev(0, 0);
}

absl::StatusOr<std::string> ReadRegularFile(int fd, const std::string& path) {
  struct stat found;
  if (fstat(fd, &found) != 0) return absl::InternalError(absl::StrCat(path, ": ", strerror(errno)));
  if (!S_ISREG(found.st_mode) || found.st_size > static_cast<off_t>(kMaxFileBytes)) {
    return absl::FailedPreconditionError(
        absl::StrCat("/", path, " in the image is not a file of less than 1 MiB"));
  }
  std::string text(found.st_size, '\0');
  const ssize_t n = pread(fd, text.data(), text.size(), 0);
  if (n < 0) return absl::InternalError(absl::StrCat(path, ": ", strerror(errno)));
  text.resize(n);
  return text;
}

}  // namespace

bool IsPlainRoot(absl::string_view user) { return user.empty() || user == "0" || user == "root"; }

absl::StatusOr<ImageUser> ResolveImageUser(absl::string_view user, absl::string_view passwd,
                                           absl::string_view group) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(user, absl::MaxSplits(':', 1));
  const absl::string_view name = parts.first.empty() ? "0" : parts.first;
  const absl::string_view group_name = parts.second;
  ImageUser resolved;
  uint32_t number = 0;
  const bool is_number = absl::SimpleAtoi(name, &number);
  const std::optional<PasswdEntry> entry =
      FindUser(passwd, name, is_number ? std::optional<uint32_t>(number) : std::nullopt);
  if (entry.has_value()) {
    resolved.uid = entry->uid;
    resolved.gid = entry->gid;
    resolved.home = entry->home;
  } else if (is_number) {
    resolved.uid = number;
  } else {
    return absl::FailedPreconditionError(absl::StrCat(
        "its user \"", name, "\" is not in its /etc/passwd; give a number in the image's USER"));
  }

  const std::vector<GroupEntry> groups = ParseGroups(group);
  if (!group_name.empty()) {
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const GroupEntry& candidate) {
      return candidate.name == group_name;
    });
    if (found != groups.end()) {
      resolved.gid = found->gid;
    } else if (!absl::SimpleAtoi(group_name, &resolved.gid)) {
      return absl::FailedPreconditionError(
          absl::StrCat("its group \"", group_name, "\" is not in its /etc/group"));
    }
    return resolved;  // A group that is named is the only one.
  }
  if (!entry.has_value()) return resolved;
  for (const GroupEntry& candidate : groups) {
    const auto& members = candidate.members;
    if (candidate.gid == resolved.gid ||
        std::find(members.begin(), members.end(), entry->name) == members.end()) {
      continue;
    }
    if (resolved.additional_gids.size() < kMaxGroups) {
      resolved.additional_gids.push_back(candidate.gid);
    }
  }
  return resolved;
}

absl::StatusOr<std::string> ReadImageFile(const std::vector<std::string>& layers,
                                          const std::string& path) {
  for (const std::string& layer : layers) {
    const int root = open(layer.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
      return absl::InternalError(
          absl::StrCat("opening the unpacked layer ", layer, ": ", strerror(errno)));
    }
    absl::Cleanup close_root = [root] { close(root); };
    open_how how = {};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    const int found = static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how)));
    if (found < 0 && (errno == ENOENT || errno == ENOTDIR)) continue;
    if (found < 0) return absl::InternalError(absl::StrCat(path, ": ", strerror(errno)));
    absl::Cleanup close_found = [found] { close(found); };
    struct stat status;
    if (fstat(found, &status) == 0 && IsWhiteout(status)) return "";
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    const int fd = static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how)));
    if (fd < 0) return absl::InternalError(absl::StrCat(path, ": ", strerror(errno)));
    absl::Cleanup close_fd = [fd] { close(fd); };
    return ReadRegularFile(fd, path);
  }
  return "";
}

}  // namespace rally::runtime
