#include "common/blob/directory_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <iterator>
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

// So many directories are worth another thread.
constexpr size_t kWorthAThread = 8;
constexpr absl::string_view kTooLargeAdvice = "a sparse file counts with its whole length";

struct Name {
  std::string name;
  unsigned char type;  // as readdir tells it; DT_UNKNOWN where it doesn't

  friend bool operator<(const Name& a, const Name& b) { return a.name < b.name; }
};

// Lists one directory. Ignore rules and limits need no more than names and types.
class Listing {
 public:
  // `ignore` is what counts in the parent. `entries` is shared by all listings of a tree.
  Listing(int root_fd, const ScanOptions& options, std::shared_ptr<const IgnoreFiles> ignore,
          ScannedDirectory directory, std::atomic<int64_t>* entries)
      : root_fd_(root_fd),
        options_(options),
        directory_(std::move(directory)),
        ignore_(std::move(ignore)),
        entries_(*entries) {}

  absl::Status Run() {
    const std::string& path = directory_.path;
    absl::StatusOr<FileDescriptor> fd = OpenBeneath(root_fd_, path, O_RDONLY | O_DIRECTORY);
    if (absl::IsNotFound(fd.status()) && !path.empty()) {  // Removed since its parent was listed.
      is_gone_ = true;
      return absl::OkStatus();
    }
    if (!fd.ok()) return fd.status();
    struct stat st;
    if (fstat(fd->get(), &st) != 0) {
      return ErrnoStatus(errno, absl::StrCat("stat ", ShownPath(path)));
    }
    directory_.mode = st.st_mode;
    directory_.mtime = absl::TimeFromTimespec(st.st_mtim);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(fd->get()), closedir);
    if (stream == nullptr) return ErrnoStatus(errno, absl::StrCat("listing ", ShownPath(path)));
    fd->Release();
    absl::StatusOr<std::vector<Name>> names = ReadNames(stream.get());
    if (!names.ok()) return names.status();
    const auto gitignore = std::lower_bound(names->begin(), names->end(), Name{".gitignore", 0});
    // As in git, a symlink of that name isn't one.
    const bool has_gitignore =
        gitignore != names->end() && gitignore->name == ".gitignore" && gitignore->type == DT_REG;
    absl::StatusOr<IgnoreFiles> inside = ignore_->Enter(path, has_gitignore);
    if (!inside.ok()) return inside.status();
    ignore_ = std::make_shared<const IgnoreFiles>(*std::move(inside));
    entry_path_ = path.empty() ? "" : absl::StrCat(path, "/");
    directory_.files.reserve(std::count_if(names->begin(), names->end(),
                                           [](const Name& name) { return name.type == DT_REG; }));
    for (Name& name : *names) {
      if (absl::Status s = AddEntry(dirfd(stream.get()), std::move(name)); !s.ok()) return s;
    }
    ignore_file_ = ignore_->name();
    if (children_.empty()) ignore_.reset();  // A level may have very many.
    return absl::OkStatus();
  }

  // All else is about nothing then.
  bool is_gone() const { return is_gone_; }
  ScannedDirectory& directory() { return directory_; }
  // What counts in the directory, if it has children, and its name.
  const std::shared_ptr<const IgnoreFiles>& ignore() const { return ignore_; }
  absl::string_view ignore_file() const { return ignore_file_; }
  // Unlisted.
  std::vector<ScannedDirectory>& children() { return children_; }
  std::vector<std::string>& special_files() { return special_files_; }
  int64_t ignored_entries() const { return ignored_entries_; }

 private:
  absl::StatusOr<std::vector<Name>> ReadNames(DIR* stream) const {
    std::vector<Name> names;
    while (true) {
      errno = 0;
      const dirent* entry = readdir(stream);
      if (entry == nullptr) break;
      const absl::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      names.push_back({std::string(name), entry->d_type});
      if (entry->d_type == DT_UNKNOWN) {  // Some filesystems don't tell.
        struct stat st;
        const bool found = fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
        if (!found && errno != ENOENT) {
          return ErrnoStatus(errno, absl::StrCat("stat '", absl::CEscape(name), "' in ",
                                                 ShownPath(directory_.path)));
        }
        if (found) names.back().type = IFTODT(st.st_mode);
        if (!found) names.pop_back();  // Removed since it was listed.
      }
    }
    if (errno != 0) {
      return ErrnoStatus(errno, absl::StrCat("listing ", ShownPath(directory_.path)));
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::Status AddEntry(int fd, Name entry) {
    entry_path_.resize(directory_.path.empty() ? 0 : directory_.path.size() + 1);
    entry_path_ += entry.name;
    const auto decision = ignore_->Decide(entry_path_, entry.name, entry.type == DT_DIR);
    if (decision == IgnoreWalk::Decision::kLeaveOut) {
      ++ignored_entries_;
      return absl::OkStatus();
    }
    if (absl::Status s = CheckEntry(entry.name); !s.ok()) return s;
    switch (entry.type) {
      case DT_REG:
        directory_.files.emplace_back().name = std::move(entry.name);
        return absl::OkStatus();
      case DT_DIR: {
        ScannedDirectory& child = children_.emplace_back();
        child.path = entry_path_;
        child.name_length = static_cast<uint32_t>(entry.name.size());
        child.depth = directory_.depth + 1;
        child.only_whats_below = decision == IgnoreWalk::Decision::kOnlyWhatsBelow;
        return absl::OkStatus();
      }
      case DT_LNK:
        return AddSymlink(fd, std::move(entry.name));
      default:
        special_files_.push_back(entry_path_);
        return absl::OkStatus();
    }
  }

  absl::Status CheckEntry(const std::string& name) {
    if (absl::Status valid = ValidateName(name); !valid.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("can't store ", ShownPath(entry_path_), ": ",
                                                     valid.message(), "; rename or remove it"));
    }
    if (directory_.depth >= options_.limits.max_depth) {
      return absl::ResourceExhaustedError(absl::StrCat(ShownPath(entry_path_), " is deeper than ",
                                                       options_.limits.max_depth, " levels"));
    }
    if (++entries_ > options_.limits.max_entries) {
      return absl::ResourceExhaustedError(
          absl::StrCat("there are more than ", options_.limits.max_entries, " entries"));
    }
    return absl::OkStatus();
  }

  absl::Status AddSymlink(int fd, std::string name) {
    char target[kMaxSymlinkTargetBytes + 1];
    const ssize_t length = readlinkat(fd, name.c_str(), target, sizeof(target));
    if (length < 0 && (errno == ENOENT || errno == EINVAL)) {
      return absl::OkStatus();  // Removed or replaced since it was listed.
    }
    if (length < 0) {
      return ErrnoStatus(errno, absl::StrCat("reading symlink ", ShownPath(entry_path_)));
    }
    if (!IsValidUtf8(absl::string_view(target, length))) {
      return absl::InvalidArgumentError(
          absl::StrCat("can't store ", ShownPath(entry_path_),
                       ": its target is not UTF-8; rename or remove it"));
    }
    directory_.symlinks.push_back({std::move(name), std::string(target, length)});
    return absl::OkStatus();
  }

  const int root_fd_;
  const ScanOptions& options_;
  ScannedDirectory directory_;
  std::shared_ptr<const IgnoreFiles> ignore_;  // Of the parent until it is listed.
  std::atomic<int64_t>& entries_;
  bool is_gone_ = false;
  absl::string_view ignore_file_;
  std::vector<ScannedDirectory> children_;
  std::vector<std::string> special_files_;
  int64_t ignored_entries_ = 0;
  std::string entry_path_;  // of the entry at hand
};

absl::Status StatFilesOf(int root_fd, const StatCache& cache, ScannedDirectory* directory) {
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

// Level by level: those of one are listed at once, and what counts in a directory is known when its
// children's turn comes.
absl::StatusOr<ScannedTree> ListTree(int root_fd, const ScanOptions& options) {
  absl::StatusOr<IgnoreFiles> ignore =
      IgnoreFiles::Open(root_fd, options.obey_ignore_files, options.keep_git);
  if (!ignore.ok()) return ignore.status();
  ScannedTree tree;
  tree.ignore_file = std::string(ignore->name());
  std::atomic<int64_t> entries{0};
  std::vector<Listing> level;
  level.emplace_back(root_fd, options, std::make_shared<const IgnoreFiles>(*std::move(ignore)),
                     ScannedDirectory(), &entries);
  while (!level.empty()) {
    const size_t threads = std::min<size_t>(options.threads, 1 + level.size() / kWorthAThread);
    absl::Status listed = RunInParallel(level.size(), static_cast<int>(threads),
                                        [&level](size_t i) { return level[i].Run(); });
    if (!listed.ok()) return listed;
    std::vector<Listing> next;
    size_t found = 0;
    for (Listing& listing : level) found += listing.children().size();
    next.reserve(found);
    for (Listing& listing : level) {
      if (listing.is_gone()) continue;
      const uint32_t index = static_cast<uint32_t>(tree.directories.size());
      if (index > 0) tree.directories[listing.directory().parent].children.push_back(index);
      tree.ignored_entries += listing.ignored_entries();
      if (!listing.ignore_file().empty()) tree.ignore_file = std::string(listing.ignore_file());
      std::move(listing.special_files().begin(), listing.special_files().end(),
                std::back_inserter(tree.special_files));
      for (ScannedDirectory& child : listing.children()) {
        child.parent = index;
        next.emplace_back(root_fd, options, listing.ignore(), std::move(child), &entries);
      }
      tree.directories.push_back(std::move(listing.directory()));
    }
    level = std::move(next);
  }
  return tree;
}

absl::Status StatFiles(int root_fd, const ScanOptions& options, const StatCache& cache,
                       ScannedTree* tree) {
  absl::Status status = RunInParallel(tree->directories.size(), options.threads, [&](size_t i) {
    return StatFilesOf(root_fd, cache, &tree->directories[i]);
  });
  if (!status.ok()) return status;
  FileSizes sizes(options.limits, kTooLargeAdvice);
  for (uint32_t i = 0; i < tree->directories.size(); ++i) {
    for (const ScannedFile& file : tree->directories[i].files) {
      absl::Status fits = sizes.Add(file.stat.size_bytes, [&] { return tree->PathOf(i, file); });
      if (!fits.ok()) return fits;
    }
  }
  return absl::OkStatus();
}

}  // namespace rally::blob
