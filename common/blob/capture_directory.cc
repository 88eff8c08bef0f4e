#include "common/blob/capture_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/blob/file_digest.h"
#include "common/blob/ignore_files.h"
#include "common/blob/open_beneath.h"
#include "common/blob/run_in_parallel.h"
#include "common/blob/stat_cache.h"
#include "google/protobuf/arena.h"

namespace rally::blob {
namespace {

constexpr int kReadAttempts = 3;
constexpr size_t kFilesPerPart = 64;
constexpr size_t kMaxWarnings = 100;
// A hostile name can't block: what is opened is a regular file, or it is not read.
constexpr int kOpenFile = O_RDONLY | O_NONBLOCK | O_NOCTTY;

std::string Join(absl::string_view directory, absl::string_view name) {
  return absl::StrCat(directory, directory.empty() ? "" : "/", name);
}

std::string Shown(absl::string_view path) {
  return absl::StrCat("'", path.empty() ? "." : absl::CHexEscape(path), "'");
}

bool SameContent(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_ino == b.st_ino && a.st_dev == b.st_dev &&
         absl::TimeFromTimespec(a.st_mtim) == absl::TimeFromTimespec(b.st_mtim) &&
         absl::TimeFromTimespec(a.st_ctim) == absl::TimeFromTimespec(b.st_ctim);
}

bool IsWithoutEntries(const Directory& directory) {
  return directory.files_size() + directory.symlinks_size() + directory.directories_size() == 0;
}

// One run over one directory: find all entries, hash the files that the cache doesn't know, then
// build the messages from the leaves up.
class Capture {
 public:
  Capture(std::string root_path, int root_fd, const CaptureOptions& options)
      : root_path_(std::move(root_path)),
        root_fd_(std::make_shared<const FileDescriptor>(root_fd)),
        options_(options),
        cache_(absl::Now(), options.racy_window) {}

  absl::StatusOr<CapturedTree> Run() {
    if (!options_.stat_cache_file.empty()) cache_.Load(options_.stat_cache_file, root_path_);
    absl::StatusOr<IgnoreFiles> ignore =
        IgnoreFiles::Open(root_fd_->get(), options_.obey_ignore_files, options_.keep_git);
    if (!ignore.ok()) return ignore.status();
    ignore_ = std::make_unique<IgnoreFiles>(*std::move(ignore));
    if (absl::Status s = ReadDirectory(0, Found{"", 0, 0, false}); !s.ok()) return s;
    tree_.ignore_file = ignore_->name();
    tree_.root_fd = root_fd_;
    if (absl::Status s = HashFiles(); !s.ok()) return s;
    if (absl::Status s = BuildMessages(); !s.ok()) return s;
    if (!options_.stat_cache_file.empty()) {
      absl::Status saved = cache_.Save(options_.stat_cache_file, root_path_);
      if (!saved.ok()) Warn(std::string(saved.message()));
    }
    if (dropped_warnings_ > 0) {
      tree_.warnings.push_back(absl::StrCat("and ", dropped_warnings_, " more like these"));
    }
    return std::move(tree_);
  }

 private:
  struct Found {
    std::string path;
    size_t parent;  // Index in directories_; the root's is its own.
    size_t name_length;
    bool only_whats_below;  // A directory that isn't kept when nothing below it is.

    absl::string_view name() const {
      return absl::string_view(path).substr(path.size() - name_length);
    }
  };
  struct FoundDirectory {
    Found found;
    Directory* message;  // In the arena: a tree has many small parts.
  };
  struct FoundFile {
    Found found;
    struct stat st;
    Digest digest;
    bool gone = false;  // It stopped being a regular file.
  };

  // Adds the directory and all below it, parents first.
  absl::Status ReadDirectory(int depth, Found found) {
    const std::string path = found.path;
    const size_t index = directories_.size();
    directories_.push_back(
        {std::move(found), google::protobuf::Arena::CreateMessage<Directory>(&arena_)});
    absl::StatusOr<FileDescriptor> fd = OpenBeneath(root_fd_->get(), path, O_RDONLY | O_DIRECTORY);
    if (!fd.ok()) return fd.status();
    struct stat st;
    if (fstat(fd->get(), &st) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", Shown(path)));
    SetDirectoryProperties(st.st_mode, absl::TimeFromTimespec(st.st_mtim),
                           directories_[index].message);
    absl::StatusOr<std::vector<std::string>> names = ListNames(fd->get(), path);
    if (!names.ok()) return names.status();
    // As in git, a symlink of that name isn't one.
    struct stat gitignore;
    const bool has_gitignore =
        std::binary_search(names->begin(), names->end(), ".gitignore") &&
        fstatat(fd->get(), ".gitignore", &gitignore, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(gitignore.st_mode);
    if (absl::Status s = ignore_->Enter(path, has_gitignore); !s.ok()) return s;
    std::vector<Found> children;
    for (const std::string& name : *names) {
      Found child{Join(path, name), index, name.size(), false};
      if (absl::Status s = AddEntry(fd->get(), depth, std::move(child), &children); !s.ok()) {
        return s;
      }
    }
    fd = FileDescriptor();  // A deep tree must not take a descriptor a level.
    for (Found& child : children) {
      if (absl::Status s = ReadDirectory(depth + 1, std::move(child)); !s.ok()) return s;
    }
    ignore_->Leave();
    return absl::OkStatus();
  }

  absl::Status CheckEntry(int depth, const Found& found) {
    if (absl::Status valid = ValidateName(found.name()); !valid.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("can't store ", Shown(found.path), ": ",
                                                     valid.message(), "; rename or remove it"));
    }
    if (depth >= options_.limits.max_depth) {
      return absl::ResourceExhaustedError(absl::StrCat(Shown(found.path), " is deeper than ",
                                                       options_.limits.max_depth, " levels"));
    }
    if (++entries_ > options_.limits.max_entries) {
      return absl::ResourceExhaustedError(
          absl::StrCat(root_path_, " has more than ", options_.limits.max_entries, " entries"));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> ListNames(int fd, const std::string& path) {
    // Not a duplicate: that would share the offset.
    FileDescriptor list(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(
        list.valid() ? fdopendir(list.Release()) : nullptr, closedir);
    if (directory == nullptr) return ErrnoStatus(errno, absl::StrCat("listing ", Shown(path)));
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(directory.get())) {
      const absl::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return ErrnoStatus(errno, absl::StrCat("listing ", Shown(path)));
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::Status AddEntry(int directory_fd, int depth, Found found, std::vector<Found>* children) {
    struct stat st;
    // The name is what the path ends with.
    if (fstatat(directory_fd, found.name().data(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return absl::OkStatus();  // Removed since it was listed.
      return ErrnoStatus(errno, absl::StrCat("stat ", Shown(found.path)));
    }
    const auto decision = ignore_->Decide(found.path, found.name(), S_ISDIR(st.st_mode));
    if (decision == IgnoreWalk::Decision::kLeaveOut) {
      ++tree_.ignored_entries;
      return absl::OkStatus();
    }
    found.only_whats_below = decision == IgnoreWalk::Decision::kOnlyWhatsBelow;
    if (absl::Status s = CheckEntry(depth, found); !s.ok()) return s;
    switch (st.st_mode & S_IFMT) {
      case S_IFREG:
        tree_.total_bytes += st.st_size;
        if (tree_.total_bytes > options_.limits.max_total_bytes) {
          return absl::ResourceExhaustedError(absl::StrCat(
              root_path_, " has more than ", options_.limits.max_total_bytes, " bytes"));
        }
        files_.push_back({std::move(found), st, Digest(), false});
        return absl::OkStatus();
      case S_IFDIR:
        children->push_back(std::move(found));
        return absl::OkStatus();
      case S_IFLNK:
        return AddSymlink(directory_fd, found);
      default:
        Warn(absl::StrCat(Shown(found.path),
                          " is a socket, fifo or device, which a workspace can't keep"));
        return absl::OkStatus();
    }
  }

  absl::Status AddSymlink(int directory_fd, const Found& found) {
    std::string target(kMaxSymlinkTargetBytes + 1, '\0');
    const ssize_t length =
        readlinkat(directory_fd, std::string(found.name()).c_str(), target.data(), target.size());
    if (length < 0) return ErrnoStatus(errno, absl::StrCat("reading symlink ", Shown(found.path)));
    target.resize(length);
    if (!IsValidUtf8(target)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "can't store ", Shown(found.path), ": its target is not UTF-8; rename or remove it"));
    }
    *directories_[found.parent].message->add_symlinks() = MakeSymlinkNode(found.name(), target);
    ++tree_.symlink_count;
    return absl::OkStatus();
  }

  absl::Status HashFiles() {
    std::vector<FoundFile*> unknown;
    for (FoundFile& file : files_) {
      const std::optional<Digest> known = cache_.Find(file.found.path, file.st);
      if (known.has_value()) {
        file.digest = *known;
      } else {
        unknown.push_back(&file);
      }
    }
    const int threads = options_.hash_threads > 0
                            ? options_.hash_threads
                            : std::max(1u, std::thread::hardware_concurrency());
    // Big files first would balance better, but small parts do well enough.
    const size_t parts = (unknown.size() + kFilesPerPart - 1) / kFilesPerPart;
    absl::Mutex mutex;
    int64_t files = 0, bytes = 0;
    absl::Status hashed = RunInParallel(parts, threads, [&](size_t part) -> absl::Status {
      const size_t begin = part * kFilesPerPart;
      const size_t end = std::min(unknown.size(), begin + kFilesPerPart);
      int64_t part_bytes = 0;
      for (size_t i = begin; i < end; ++i) {
        if (absl::Status s = HashFile(unknown[i]); !s.ok()) return s;
        part_bytes += unknown[i]->digest.size_bytes;
      }
      if (!options_.on_hashed) return absl::OkStatus();
      absl::MutexLock lock(&mutex);
      files += static_cast<int64_t>(end - begin);
      bytes += part_bytes;
      options_.on_hashed(files, bytes);
      return absl::OkStatus();
    });
    if (!hashed.ok()) return hashed;
    for (const FoundFile* file : unknown) {
      if (file->gone) {
        Warn(absl::StrCat(Shown(file->found.path), " went away while it was read"));
        continue;
      }
      ++tree_.hashed_files;
      tree_.hashed_bytes += file->digest.size_bytes;
    }
    return absl::OkStatus();
  }

  absl::Status HashFile(FoundFile* file) const {
    for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
      absl::StatusOr<FileDescriptor> fd = OpenBeneath(root_fd_->get(), file->found.path, kOpenFile);
      struct stat before, after;
      if (absl::IsNotFound(fd.status())) {
        file->gone = true;
        return absl::OkStatus();
      }
      if (!fd.ok()) return fd.status();
      if (fstat(fd->get(), &before) != 0) {
        return ErrnoStatus(errno, absl::StrCat("stat ", Shown(file->found.path)));
      }
      if (!S_ISREG(before.st_mode)) {
        file->gone = true;
        return absl::OkStatus();
      }
      absl::StatusOr<Digest> digest = DigestOfFile(fd->get());
      if (!digest.ok()) {
        return absl::Status(digest.status().code(),
                            absl::StrCat(Shown(file->found.path), ": ", digest.status().message()));
      }
      if (fstat(fd->get(), &after) == 0 && SameContent(before, after) &&
          digest->size_bytes == after.st_size) {
        file->st = after;
        file->digest = *std::move(digest);
        return absl::OkStatus();
      }
    }
    return absl::AbortedError(absl::StrCat(Shown(file->found.path),
                                           " changes while it is read; try again when nothing "
                                           "writes to it"));
  }

  absl::Status BuildMessages() {
    tree_.total_bytes = 0;
    tree_.files.reserve(files_.size());
    for (FoundFile& file : files_) {
      if (file.gone) continue;
      cache_.Remember(file.found.path, file.st, file.digest);
      ++tree_.file_count;
      tree_.total_bytes += file.digest.size_bytes;
      FillFileNode(file.found.name(), file.digest, file.st.st_mode,
                   absl::TimeFromTimespec(file.st.st_mtim),
                   directories_[file.found.parent].message->add_files());
      tree_.files.try_emplace(std::move(file.digest), std::move(file.found.path));
    }
    for (size_t i = directories_.size(); i-- > 0;) {
      FoundDirectory& directory = directories_[i];
      if (directory.found.only_whats_below && IsWithoutEntries(*directory.message)) {
        ++tree_.ignored_entries;
        continue;
      }
      Canonicalise(directory.message);
      std::string bytes = Serialise(*directory.message);
      Digest digest = DigestOf(bytes);
      if (i > 0) {
        *directories_[directory.found.parent].message->add_directories() =
            MakeDirectoryNode(directory.found.name(), digest);
        ++tree_.directory_count;
      } else {
        tree_.root = digest;
      }
      tree_.directories.emplace(std::move(digest), std::move(bytes));
    }
    return absl::OkStatus();
  }

  void Warn(std::string line) {
    if (tree_.warnings.size() < kMaxWarnings) {
      tree_.warnings.push_back(std::move(line));
    } else {
      ++dropped_warnings_;
    }
  }

  const std::string root_path_;
  // Shared with the tree, from which files are read after the capture.
  const std::shared_ptr<const FileDescriptor> root_fd_;
  const CaptureOptions& options_;
  std::unique_ptr<IgnoreFiles> ignore_;
  StatCache cache_;
  google::protobuf::Arena arena_;
  std::vector<FoundDirectory> directories_;
  std::vector<FoundFile> files_;
  int64_t entries_ = 0;
  int64_t dropped_warnings_ = 0;
  CapturedTree tree_;
};

}  // namespace

absl::StatusOr<CapturedTree> CaptureDirectory(const std::string& path,
                                              const CaptureOptions& options) {
  // The root itself may be a symlink: its user named it.
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == ENOTDIR) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a directory"));
  }
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("opening directory ", path));
  char* const absolute = realpath(path.c_str(), nullptr);
  std::string root_path = absolute == nullptr ? path : absolute;
  free(absolute);
  absl::StatusOr<CapturedTree> tree = Capture(std::move(root_path), fd, options).Run();
  if (tree.ok()) return tree;
  return absl::Status(tree.status().code(),
                      absl::StrCat("capturing directory ", path, ": ", tree.status().message()));
}

}  // namespace rally::blob
