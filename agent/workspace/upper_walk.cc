#include "agent/workspace/upper_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/workspace/file_hasher.h"
#include "agent/workspace/reopen.h"
#include "common/blob/directory.h"
#include "common/blob/file_sizes.h"
#include "common/blob/open_beneath.h"
#include "common/file_descriptor.h"

namespace rally::workspace {
namespace {

constexpr absl::string_view kOverlayPrefix = "trusted.overlay.";
// More paths than this are counted, not listed.
constexpr size_t kMaxListedPaths = 10;
// Of a path that is too deep.
constexpr size_t kMaxShownPathBytes = 200;
// Files up to here are hashed as they are found: as many of them as there may be are no more than
// all files may have.
constexpr int64_t kHashedAtOnceBytes = 1 << 20;
static_assert(kHashedAtOnceBytes * blob::kMaxTreeEntries <= blob::kMaxTreeBytes);
constexpr absl::string_view kTooLargeAdvice =
    "make it smaller, or write it outside of /workspace; a sparse file counts with its whole "
    "length";

std::string Printable(const std::string& path) { return absl::CEscape(path); }

struct ListedName {
  std::string name;
  unsigned char type;  // DT_UNKNOWN where the filesystem doesn't tell.
};

// Without a DIR, which would need a descriptor of its own.
absl::StatusOr<std::vector<ListedName>> ListNames(int directory, const std::string& path) {
  std::vector<ListedName> names;
  alignas(dirent64) char buffer[16 << 10];
  ssize_t length = ::lseek(directory, 0, SEEK_SET);
  while (length >= 0 && (length = ::getdents64(directory, buffer, sizeof(buffer))) > 0) {
    for (ssize_t offset = 0; offset < length;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer + offset);
      offset += entry->d_reclen;
      const absl::string_view name = entry->d_name;
      if (name != "." && name != "..") names.push_back({std::string(name), entry->d_type});
    }
  }
  if (length < 0) return WorkspaceErrno("listing", path);
  std::sort(names.begin(), names.end(),
            [](const ListedName& a, const ListedName& b) { return a.name < b.name; });
  return names;
}

// What of an entry's extended attributes matters here.
struct Attributes {
  bool opaque = false;
  bool metacopy = false;
  bool foreign = false;
  std::string redirect;
};

absl::StatusOr<Attributes> ReadAttributes(int fd, const std::string& path) {
  auto names = ListAttributes(fd, path);
  if (!names.ok()) return names.status();
  Attributes result;
  for (const std::string& name : *names) {
    if (!IsOverlayAttribute(name)) {
      if (!IsHostLabel(name)) result.foreign = true;
      continue;
    }
    const absl::string_view kind = absl::string_view(name).substr(kOverlayPrefix.size());
    if (kind == "metacopy") result.metacopy = true;
    if (kind != "opaque" && kind != "redirect") continue;
    char value[4096];
    const ssize_t length = ::fgetxattr(fd, name.c_str(), value, sizeof(value));
    if (length < 0) return WorkspaceErrno("reading an overlay attribute of", path);
    const absl::string_view text(value, static_cast<size_t>(length));
    if (kind == "opaque") result.opaque = text == "y";
    if (kind == "redirect") result.redirect = std::string(text);
  }
  return result;
}

// Paths that share one warning.
class PathList {
 public:
  void Add(std::string path) {
    if (paths_.size() < kMaxListedPaths) paths_.push_back(Printable(path));
    ++count_;
  }
  void AppendTo(const std::string& what, std::vector<std::string>& warnings) const {
    for (const std::string& path : paths_) warnings.push_back(absl::StrCat(path, ": ", what));
    if (count_ > paths_.size()) {
      warnings.push_back(absl::StrCat("and ", count_ - paths_.size(), " more: ", what));
    }
  }

 private:
  std::vector<std::string> paths_;
  size_t count_ = 0;
};

class UpperWalk {
 public:
  UpperWalk(const blob::TreeLimits& limits, const runtime::CallLimits& call, UpperContents& result)
      : limits_(limits),
        call_(call),
        result_(result),
        sizes_(limits, kTooLargeAdvice),
        hasher_([&call] { return CheckLimits(call, "hashing what the step wrote"); }) {}

  absl::StatusOr<std::unique_ptr<UpperEntry>> Run(int upper) {
    auto root = std::make_unique<UpperEntry>();
    root->kind = UpperEntry::Kind::kDirectory;
    absl::Status status = ReadDirectory(upper, "", 0, *root);
    if (status.ok()) status = HashLargeFiles(upper);
    if (!status.ok()) {
      hasher_.Abandon();
      return status;
    }
    if (absl::Status hashed = hasher_.Finish(); !hashed.ok()) return hashed;
    ListFiles(*root, "");
    special_.AppendTo("a socket, fifo or device can't be kept in a workspace; left out",
                      result_.warnings);
    special_mode_.AppendTo("setuid and setgid bits are not kept", result_.warnings);
    attributes_.AppendTo("extended attributes are not kept", result_.warnings);
    return root;
  }

 private:
  // A file to be hashed when all are found, and what tells whether it is still the same.
  struct LargeFile {
    std::string path;
    dev_t device;
    ino_t inode;
    int64_t size_bytes;
    blob::Digest* digest;
  };

  absl::Status HashLargeFiles(int upper) {
    for (const LargeFile& file : large_files_) {
      // Each anew: the descriptors of all would be too many.
      auto fd = blob::OpenBeneath(upper, file.path, O_RDONLY | O_NONBLOCK | O_NOATIME);
      if (!fd.ok()) return fd.status();
      struct stat stat;
      if (::fstat(fd->get(), &stat) != 0) return WorkspaceErrno("stat", file.path);
      if (stat.st_dev != file.device || stat.st_ino != file.inode) {
        return absl::FailedPreconditionError(absl::StrCat(
            Printable(file.path), " was replaced while it was captured: a process still writes"));
      }
      hasher_.Add(*std::move(fd), file.size_bytes, Printable(file.path), file.digest);
    }
    return absl::OkStatus();
  }

  absl::Status ReadDirectory(int fd, const std::string& path, int depth, UpperEntry& entry) {
    struct stat stat;
    if (::fstat(fd, &stat) != 0) return WorkspaceErrno("stat", path);
    auto attributes = ReadAttributes(fd, path);
    if (!attributes.ok()) return attributes.status();
    entry.opaque = attributes->opaque;
    entry.redirect = attributes->redirect;
    NoteMetadata(stat, *attributes, path, entry);
    auto names = ListNames(fd, path);
    if (!names.ok()) return names.status();
    entry.children.reserve(names->size());
    for (ListedName& listed : *names) {
      if (absl::Status spent = CheckLimits(call_, "reading what the step wrote"); !spent.ok()) {
        return spent;
      }
      auto child = std::make_unique<UpperEntry>();
      child->name = std::move(listed.name);
      const absl::Status status =
          ReadEntry(fd, listed.type, JoinPath(path, child->name), depth, *child);
      if (!status.ok()) return status;
      entry.children.push_back(std::move(child));
    }
    return absl::OkStatus();
  }

  absl::Status ReadEntry(int parent, unsigned char listed_type, const std::string& path, int depth,
                         UpperEntry& entry) {
    // What was listed as a file or a directory is opened to be read at once. Should something else
    // have taken its place, that is seen below, and opening it neither waits nor follows.
    const bool to_read = listed_type == DT_REG || listed_type == DT_DIR;
    const int flags = to_read ? O_RDONLY | O_NONBLOCK | O_NOATIME : O_PATH;
    FileDescriptor fd(::openat(parent, entry.name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC));
    struct stat stat;
    if (!fd.valid() || ::fstat(fd.get(), &stat) != 0) return WorkspaceErrno("opening", path);
    if (S_ISCHR(stat.st_mode) && stat.st_rdev == makedev(0, 0)) return absl::OkStatus();
    if (!S_ISREG(stat.st_mode) && !S_ISLNK(stat.st_mode) && !S_ISDIR(stat.st_mode)) {
      entry.kind = UpperEntry::Kind::kSkipped;
      special_.Add(path);
      return absl::OkStatus();
    }
    const absl::Status valid = blob::ValidateName(entry.name);
    if (!valid.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("the workspace can't be captured because of ",
                                                     Printable(path), ": ", valid.message()));
    }
    // Counted as everywhere: the components of the deepest path, a file's name being one.
    if (depth >= limits_.max_depth) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the workspace is more than ", limits_.max_depth, " levels deep at ",
                       Printable(path.substr(0, kMaxShownPathBytes)), "..."));
    }
    if (++entries_ > limits_.max_entries) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the step left more than ", limits_.max_entries, " new entries in its workspace"));
    }
    if (S_ISDIR(stat.st_mode)) {
      entry.kind = UpperEntry::Kind::kDirectory;
      // In place of the first one: a deep tree shouldn't need two descriptors for each level.
      if (absl::Status status = OpenToRead(to_read, fd); !status.ok()) return status;
      return ReadDirectory(fd.get(), path, depth + 1, entry);
    }
    if (S_ISLNK(stat.st_mode)) {
      entry.kind = UpperEntry::Kind::kSymlink;
      NoteMetadata(stat, Attributes(), path, entry);
      return ReadTarget(fd.get(), path, entry);
    }
    entry.kind = UpperEntry::Kind::kFile;
    if (absl::Status fits = sizes_.Add(stat.st_size, [&] { return path; }); !fits.ok()) return fits;
    if (absl::Status status = OpenToRead(to_read, fd); !status.ok()) return status;
    auto attributes = ReadAttributes(fd.get(), path);
    if (!attributes.ok()) return attributes.status();
    if (attributes->metacopy) {
      return absl::FailedPreconditionError(
          absl::StrCat(Printable(path),
                       " has no content of its own (metacopy), which workspaces "
                       "are never mounted with"));
    }
    NoteMetadata(stat, *attributes, path, entry);
    if (stat.st_size > kHashedAtOnceBytes) {
      large_files_.push_back({path, stat.st_dev, stat.st_ino, stat.st_size, &entry.digest});
      return absl::OkStatus();
    }
    hasher_.Add(std::move(fd), stat.st_size, Printable(path), &entry.digest);
    return absl::OkStatus();
  }

  void ListFiles(const UpperEntry& directory, const std::string& path) {
    for (const auto& entry : directory.children) {
      if (entry->kind == UpperEntry::Kind::kFile) {
        result_.files.emplace_back(blob::BlobKey::Of(entry->digest), JoinPath(path, entry->name));
      } else if (entry->kind == UpperEntry::Kind::kDirectory) {
        ListFiles(*entry, JoinPath(path, entry->name));
      }
    }
  }

  static absl::Status OpenToRead(bool is_open, FileDescriptor& fd) {
    if (is_open) return absl::OkStatus();
    auto opened = Reopen(fd.get(), O_RDONLY | O_NOATIME);
    if (opened.ok()) fd = *std::move(opened);
    return opened.status();
  }

  absl::Status ReadTarget(int fd, const std::string& path, UpperEntry& entry) {
    std::string target(blob::kMaxSymlinkTargetBytes + 1, '\0');
    const ssize_t length = ::readlinkat(fd, "", target.data(), target.size());
    if (length < 0) return WorkspaceErrno("reading the symlink", path);
    target.resize(static_cast<size_t>(length));
    entry.target = std::move(target);
    return absl::OkStatus();
  }

  // Keeps what the tree keeps, and remembers what it doesn't.
  void NoteMetadata(const struct stat& stat, const Attributes& attributes, const std::string& path,
                    UpperEntry& entry) {
    using Kind = UpperDifference::Kind;
    entry.mode = stat.st_mode & blob::kModeMask;
    entry.mtime = absl::TimeFromTimespec(stat.st_mtim);
    if (S_ISREG(stat.st_mode) && stat.st_nlink > 1) {
      result_.differences.push_back({Kind::kHardLink, path});
    }
    if (stat.st_uid != 0 || stat.st_gid != 0) {
      result_.differences.push_back({Kind::kOwner, path});
    }
    if (!S_ISLNK(stat.st_mode) && (stat.st_mode & (S_ISUID | S_ISGID | S_ISVTX)) != 0) {
      result_.differences.push_back({Kind::kMode, path});
      if ((stat.st_mode & (S_ISUID | S_ISGID)) != 0 && S_ISREG(stat.st_mode)) {
        special_mode_.Add(path);
      }
    }
    if (attributes.foreign) {
      result_.differences.push_back({Kind::kAttributes, path});
      attributes_.Add(path);
    }
  }

  const blob::TreeLimits& limits_;
  const runtime::CallLimits& call_;
  UpperContents& result_;
  blob::FileSizes sizes_;
  std::vector<LargeFile> large_files_;
  FileHasher hasher_;
  int64_t entries_ = 0;
  PathList special_;
  PathList special_mode_;
  PathList attributes_;
};

}  // namespace

std::string JoinPath(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : absl::StrCat(directory, "/", name);
}

absl::StatusOr<UpperContents> ReadUpper(int upper, const blob::TreeLimits& limits,
                                        const runtime::CallLimits& call) {
  UpperContents contents;
  auto root = UpperWalk(limits, call, contents).Run(upper);
  if (!root.ok()) return root.status();
  contents.root = *std::move(root);
  return contents;
}

}  // namespace rally::workspace
