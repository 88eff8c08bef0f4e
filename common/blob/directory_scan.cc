#include "common/blob/directory_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/blob/directory.h"
#include "common/blob/file_digest.h"
#include "common/blob/file_sizes.h"
#include "common/blob/ignore_files.h"
#include "common/blob/open_beneath.h"
#include "common/blob/run_in_parallel.h"
#include "common/blob/stat_cache.h"
#include "common/pipeline/utf8.h"

namespace rally::blob {
namespace {

constexpr absl::string_view kTooLargeAdvice = "a sparse file counts with its whole length";

struct Name {
  std::string name;
  unsigned char type;  // as readdir tells it; DT_UNKNOWN where it doesn't

  friend bool operator<(const Name& a, const Name& b) { return a.name < b.name; }
};

// Finds all names that are kept. Ignore rules and limits need no more than names and types.
class Listing {
 public:
  Listing(int root_fd, const std::string& root_path, const ScanOptions& options,
          IgnoreFiles* ignore, ScannedTree* tree)
      : root_fd_(root_fd),
        root_path_(root_path),
        options_(options),
        ignore_(*ignore),
        tree_(*tree) {}

  // Adds the directory and all below it, parents first.
  absl::Status Add(ScannedDirectory found) {
    const std::string path = found.path;
    const int depth = found.depth;
    const uint32_t index = static_cast<uint32_t>(tree_.directories.size());
    absl::StatusOr<FileDescriptor> fd = OpenBeneath(root_fd_, path, O_RDONLY | O_DIRECTORY);
    if (!fd.ok()) return fd.status();
    struct stat st;
    if (fstat(fd->get(), &st) != 0) {
      return ErrnoStatus(errno, absl::StrCat("stat ", ShownPath(path)));
    }
    found.mode = st.st_mode;
    found.mtime = absl::TimeFromTimespec(st.st_mtim);
    if (index > 0) tree_.directories[found.parent].children.push_back(index);
    tree_.directories.push_back(std::move(found));
    absl::StatusOr<std::vector<Name>> names = List(fd->get(), path);
    if (!names.ok()) return names.status();
    const auto gitignore = std::lower_bound(names->begin(), names->end(), Name{".gitignore", 0});
    // As in git, a symlink of that name isn't one.
    const bool has_gitignore =
        gitignore != names->end() && gitignore->name == ".gitignore" && gitignore->type == DT_REG;
    if (absl::Status s = ignore_.Enter(path, has_gitignore); !s.ok()) return s;
    std::vector<ScannedDirectory> children;
    for (Name& name : *names) {
      if (absl::Status s = AddEntry(fd->get(), index, depth, std::move(name), &children); !s.ok()) {
        return s;
      }
    }
    fd = FileDescriptor();  // A deep tree must not take a descriptor a level.
    for (ScannedDirectory& child : children) {
      if (absl::Status s = Add(std::move(child)); !s.ok()) return s;
    }
    ignore_.Leave();
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<std::vector<Name>> List(int fd, const std::string& path) {
    // Not a duplicate: that would share the offset.
    FileDescriptor list(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(
        list.valid() ? fdopendir(list.Release()) : nullptr, closedir);
    if (directory == nullptr) return ErrnoStatus(errno, absl::StrCat("listing ", ShownPath(path)));
    std::vector<Name> names;
    errno = 0;
    while (const dirent* entry = readdir(directory.get())) {
      const absl::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      names.push_back({std::string(name), entry->d_type});
      if (entry->d_type == DT_UNKNOWN) {  // Some filesystems don't tell.
        struct stat st;
        const bool found = fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
        if (!found && errno != ENOENT) {
          return ErrnoStatus(errno,
                             absl::StrCat("stat '", absl::CEscape(name), "' in ", ShownPath(path)));
        }
        if (found) names.back().type = IFTODT(st.st_mode);
        if (!found) names.pop_back();  // Removed since it was listed.
        errno = 0;
      }
    }
    if (errno != 0) return ErrnoStatus(errno, absl::StrCat("listing ", ShownPath(path)));
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::Status AddEntry(int directory_fd, uint32_t index, int depth, Name entry,
                        std::vector<ScannedDirectory>* children) {
    const std::string& directory = tree_.directories[index].path;
    path_ = directory;
    if (!directory.empty()) path_ += '/';
    path_ += entry.name;
    const auto decision = ignore_.Decide(path_, entry.name, entry.type == DT_DIR);
    if (decision == IgnoreWalk::Decision::kLeaveOut) {
      ++tree_.ignored_entries;
      return absl::OkStatus();
    }
    if (absl::Status s = CheckEntry(depth, entry.name); !s.ok()) return s;
    switch (entry.type) {
      case DT_REG: {
        ScannedFile& file = tree_.directories[index].files.emplace_back();
        file.name = std::move(entry.name);
        return absl::OkStatus();
      }
      case DT_DIR: {
        ScannedDirectory& child = children->emplace_back();
        child.path = path_;
        child.name_length = static_cast<uint32_t>(entry.name.size());
        child.parent = index;
        child.depth = depth + 1;
        child.only_whats_below = decision == IgnoreWalk::Decision::kOnlyWhatsBelow;
        return absl::OkStatus();
      }
      case DT_LNK:
        return AddSymlink(directory_fd, index, std::move(entry.name));
      default:
        tree_.special_files.push_back(path_);
        return absl::OkStatus();
    }
  }

  absl::Status CheckEntry(int depth, const std::string& name) {
    if (absl::Status valid = ValidateName(name); !valid.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("can't store ", ShownPath(path_), ": ",
                                                     valid.message(), "; rename or remove it"));
    }
    if (depth >= options_.limits.max_depth) {
      return absl::ResourceExhaustedError(
          absl::StrCat(ShownPath(path_), " is deeper than ", options_.limits.max_depth, " levels"));
    }
    if (++entries_ > options_.limits.max_entries) {
      return absl::ResourceExhaustedError(
          absl::StrCat(root_path_, " has more than ", options_.limits.max_entries, " entries"));
    }
    return absl::OkStatus();
  }

  absl::Status AddSymlink(int directory_fd, uint32_t index, std::string name) {
    std::string target(kMaxSymlinkTargetBytes + 1, '\0');
    const ssize_t length = readlinkat(directory_fd, name.c_str(), target.data(), target.size());
    if (length < 0 && (errno == ENOENT || errno == EINVAL)) {
      return absl::OkStatus();  // Removed or replaced since it was listed.
    }
    if (length < 0) return ErrnoStatus(errno, absl::StrCat("reading symlink ", ShownPath(path_)));
    target.resize(length);
    if (!IsValidUtf8(target)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "can't store ", ShownPath(path_), ": its target is not UTF-8; rename or remove it"));
    }
    tree_.directories[index].symlinks.push_back({std::move(name), std::move(target)});
    return absl::OkStatus();
  }

  const int root_fd_;
  const std::string& root_path_;
  const ScanOptions& options_;
  IgnoreFiles& ignore_;
  ScannedTree& tree_;
  std::string path_;  // of the entry at hand
  int64_t entries_ = 0;
};

absl::Status StatFiles(int root_fd, const StatCache& cache, ScannedDirectory* directory) {
  if (directory->files.empty()) return absl::OkStatus();
  absl::StatusOr<FileDescriptor> fd = OpenBeneath(root_fd, directory->path, O_RDONLY | O_DIRECTORY);
  const bool lost = absl::IsNotFound(fd.status());  // The whole directory, since it was listed.
  if (!fd.ok() && !lost) return fd.status();
  StatCache::Entries known = cache.EntriesOf(directory->path);
  for (ScannedFile& file : directory->files) {
    struct stat st;
    if (lost || fstatat(fd->get(), file.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      if (!lost && errno != ENOENT) {
        return ErrnoStatus(errno, absl::StrCat("stat '", absl::CEscape(file.name), "' in ",
                                               ShownPath(directory->path)));
      }
      file.content = ScannedFile::Content::kGone;
      continue;
    }
    if (!S_ISREG(st.st_mode)) {
      file.content = ScannedFile::Content::kGone;
      continue;
    }
    file.stat = FileStat::Of(st);
    if (known.Find(file.name, file.stat, &file.key)) file.content = ScannedFile::Content::kCached;
  }
  return absl::OkStatus();
}

}  // namespace

FileStat FileStat::Of(const struct stat& st) {
  return {st.st_size,
          absl::TimeFromTimespec(st.st_mtim),
          absl::TimeFromTimespec(st.st_ctim),
          st.st_ino,
          st.st_dev,
          st.st_mode};
}

std::string ScannedTree::PathOf(uint32_t directory, const ScannedFile& file) const {
  const std::string& path = directories[directory].path;
  return absl::StrCat(path, path.empty() ? "" : "/", file.name);
}

std::string ShownPath(absl::string_view path) {
  return absl::StrCat("'", path.empty() ? "." : absl::CEscape(path), "'");
}

absl::StatusOr<ScannedTree> ScanDirectory(int root_fd, const std::string& root_path,
                                          const ScanOptions& options, const StatCache& cache) {
  absl::StatusOr<IgnoreFiles> ignore =
      IgnoreFiles::Open(root_fd, options.obey_ignore_files, options.keep_git);
  if (!ignore.ok()) return ignore.status();
  ScannedTree tree;
  absl::Status listed =
      Listing(root_fd, root_path, options, &*ignore, &tree).Add(ScannedDirectory());
  if (!listed.ok()) return listed;
  tree.ignore_file = ignore->name();
  absl::Status status = RunInParallel(tree.directories.size(), options.threads, [&](size_t i) {
    return StatFiles(root_fd, cache, &tree.directories[i]);
  });
  if (!status.ok()) return status;
  FileSizes sizes(options.limits, kTooLargeAdvice);
  for (uint32_t i = 0; i < tree.directories.size(); ++i) {
    for (const ScannedFile& file : tree.directories[i].files) {
      absl::Status fits = sizes.Add(file.stat.size_bytes, [&] { return tree.PathOf(i, file); });
      if (!fits.ok()) return fits;
    }
  }
  return tree;
}

}  // namespace rally::blob
