#include "common/blob/capture_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/blob/file_digest.h"
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

// One run over one directory: find all entries, hash the files that the cache doesn't know, then
// build the messages from the leaves up.
class Capture {
 public:
  Capture(std::string root_path, int root_fd, const CaptureOptions& options)
      : root_path_(std::move(root_path)),
        root_fd_(std::make_shared<const FileDescriptor>(root_fd)),
        options_(options),
        threads_(options.threads > 0
                     ? options.threads
                     : std::max(1, static_cast<int>(std::thread::hardware_concurrency()))),
        cache_(absl::Now(), options.racy_window) {}

  absl::StatusOr<CapturedTree> Run() {
    if (absl::Status s = Scan(); !s.ok()) return s;
    for (const std::string& path : scanned_->special_files) {
      Warn(absl::StrCat(ShownPath(path),
                        " is a socket, fifo or device, which a workspace can't keep"));
    }
    tree_.ignore_file = scanned_->ignore_file;
    tree_.ignored_entries = scanned_->ignored_entries;
    tree_.root_fd = root_fd_;
    if (absl::Status s = HashFiles(); !s.ok()) return s;
    // Neither looks at what the other makes.
    absl::Status built = RunInParallel(2, threads_, [this](size_t part) {
      if (part == 0) return BuildMessages();
      CollectFiles();
      return absl::OkStatus();
    });
    if (!built.ok()) return built;
    if (!options_.stat_cache_file.empty()) {
      absl::Status saved = cache_.Save(options_.stat_cache_file, root_path_, *scanned_);
      if (!saved.ok()) Warn(std::string(saved.message()));
    }
    if (dropped_warnings_ > 0) {
      tree_.warnings.push_back(absl::StrCat("and ", dropped_warnings_, " more like these"));
    }
    tree_.scanned = std::move(scanned_);
    return std::move(tree_);
  }

 private:
  // What a directory has become.
  struct Message {
    std::string bytes;
    Digest digest;
    bool left_out = false;
  };

  absl::Status Scan() {
    ScanOptions scan;
    scan.obey_ignore_files = options_.obey_ignore_files;
    scan.keep_git = options_.keep_git;
    scan.limits = options_.limits;
    scan.threads = threads_;
    std::thread loading;
    if (!options_.stat_cache_file.empty()) {
      loading = std::thread([this] { cache_.Load(options_.stat_cache_file, root_path_); });
    }
    absl::StatusOr<ScannedTree> listed = ListTree(root_fd_->get(), scan);
    if (loading.joinable()) loading.join();
    if (!listed.ok()) return listed.status();
    scanned_ = std::make_shared<ScannedTree>(*std::move(listed));
    return StatFiles(root_fd_->get(), scan, cache_, scanned_.get());
  }

  absl::Status HashFiles() {
    std::vector<CapturedFile> unread;
    for (uint32_t i = 0; i < scanned_->directories.size(); ++i) {
      const std::vector<ScannedFile>& files = scanned_->directories[i].files;
      for (uint32_t j = 0; j < files.size(); ++j) {
        if (files[j].content == ScannedFile::Content::kUnread) unread.push_back({i, j});
      }
    }
    // Big files first would balance better, but small parts do well enough.
    const size_t parts = (unread.size() + kFilesPerPart - 1) / kFilesPerPart;
    absl::Mutex mutex;
    int64_t files = 0, bytes = 0;
    absl::Status hashed = RunInParallel(parts, threads_, [&](size_t part) -> absl::Status {
      const size_t begin = part * kFilesPerPart;
      const size_t end = std::min(unread.size(), begin + kFilesPerPart);
      int64_t part_bytes = 0;
      for (size_t i = begin; i < end; ++i) {
        ScannedFile* file = FileAt(unread[i]);
        absl::Status s = HashFile(scanned_->PathOf(unread[i].directory, *file), file);
        if (!s.ok()) return s;
        part_bytes += file->key.size_bytes;
      }
      if (!options_.on_hashed) return absl::OkStatus();
      absl::MutexLock lock(&mutex);
      files += static_cast<int64_t>(end - begin);
      bytes += part_bytes;
      options_.on_hashed(files, bytes);
      return absl::OkStatus();
    });
    if (!hashed.ok()) return hashed;
    for (const CapturedFile& position : unread) {
      const ScannedFile& file = *FileAt(position);
      if (file.content == ScannedFile::Content::kGone) {
        Warn(absl::StrCat(ShownPath(scanned_->PathOf(position.directory, file)),
                          " went away while it was read"));
        continue;
      }
      if (file.content == ScannedFile::Content::kReadAsItGrew) {
        Warn(absl::StrCat(ShownPath(scanned_->PathOf(position.directory, file)),
                          " grows while it is read; its first ", file.key.size_bytes,
                          " bytes are taken"));
      }
      ++tree_.hashed_files;
      tree_.hashed_bytes += file.key.size_bytes;
    }
    return absl::OkStatus();
  }

  ScannedFile* FileAt(const CapturedFile& position) const {
    return &scanned_->directories[position.directory].files[position.file];
  }

  absl::Status HashFile(const std::string& path, ScannedFile* file) const {
    for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
      absl::StatusOr<FileDescriptor> fd = OpenBeneath(root_fd_->get(), path, kOpenFile);
      struct stat before, after;
      if (absl::IsNotFound(fd.status())) {
        file->content = ScannedFile::Content::kGone;
        return absl::OkStatus();
      }
      if (!fd.ok()) return fd.status();
      if (fstat(fd->get(), &before) != 0) {
        return ErrnoStatus(errno, absl::StrCat("stat ", ShownPath(path)));
      }
      if (!S_ISREG(before.st_mode)) {
        file->content = ScannedFile::Content::kGone;
        return absl::OkStatus();
      }
      absl::StatusOr<Digest> digest = DigestOfFile(fd->get(), before.st_size);
      if (!digest.ok()) {
        return absl::Status(digest.status().code(),
                            absl::StrCat(ShownPath(path), ": ", digest.status().message()));
      }
      if (fstat(fd->get(), &after) != 0 || digest->size_bytes != before.st_size) continue;
      const bool unchanged = SameContent(FileStat::Of(before), FileStat::Of(after));
      // A log that something writes to all the time never stands still, but what it began with
      // does. One that is written quickly is whole at the next attempt.
      const bool only_grows = attempt == kReadAttempts - 1 && after.st_size > before.st_size;
      if (!unchanged && !only_grows) continue;
      file->stat = FileStat::Of(before);
      file->key = BlobKey::Of(*digest);
      file->content = unchanged ? ScannedFile::Content::kRead : ScannedFile::Content::kReadAsItGrew;
      return absl::OkStatus();
    }
    return absl::AbortedError(absl::StrCat(ShownPath(path),
                                           " changes while it is read; try again when nothing "
                                           "writes to it"));
  }

  // Those of one depth at once, the deepest first: a message needs its children's digests.
  absl::Status BuildMessages() {
    messages_.resize(scanned_->directories.size());
    std::vector<std::vector<uint32_t>> levels;
    for (uint32_t i = 0; i < scanned_->directories.size(); ++i) {
      const size_t depth = scanned_->directories[i].depth;
      if (depth >= levels.size()) levels.resize(depth + 1);
      levels[depth].push_back(i);
    }
    for (auto level = levels.rbegin(); level != levels.rend(); ++level) {
      absl::Status built = RunInParallel(level->size(), threads_, [&](size_t i) {
        Build((*level)[i]);
        return absl::OkStatus();
      });
      if (!built.ok()) return built;
    }
    tree_.root = messages_[0].digest;
    tree_.directories.reserve(messages_.size());
    for (size_t i = messages_.size(); i-- > 0;) {
      if (messages_[i].left_out) {
        ++tree_.ignored_entries;
        continue;
      }
      if (i > 0) ++tree_.directory_count;
      tree_.directories.emplace(std::move(messages_[i].digest), std::move(messages_[i].bytes));
    }
    return absl::OkStatus();
  }

  // Entries were found in the order of their names: the message is canonical.
  void Build(uint32_t index) {
    const ScannedDirectory& directory = scanned_->directories[index];
    google::protobuf::Arena arena;
    auto* message = google::protobuf::Arena::CreateMessage<Directory>(&arena);
    for (const ScannedFile& file : directory.files) {
      if (file.content == ScannedFile::Content::kGone) continue;
      FillFileNode(file.name, file.key.ToDigest(), file.stat.mode, file.stat.mtime,
                   message->add_files());
    }
    for (const ScannedSymlink& symlink : directory.symlinks) {
      *message->add_symlinks() = MakeSymlinkNode(symlink.name, symlink.target);
    }
    for (uint32_t child : directory.children) {
      if (messages_[child].left_out) continue;
      *message->add_directories() =
          MakeDirectoryNode(scanned_->directories[child].name(), messages_[child].digest);
    }
    const bool is_empty =
        message->files_size() + message->symlinks_size() + message->directories_size() == 0;
    messages_[index].left_out = directory.only_whats_below && is_empty;
    if (messages_[index].left_out) return;
    SetDirectoryProperties(directory.mode, directory.mtime, message);
    messages_[index].bytes = Serialise(*message);
    messages_[index].digest = DigestOf(messages_[index].bytes);
  }

  void CollectFiles() {
    size_t found = 0;
    for (const ScannedDirectory& directory : scanned_->directories) found += directory.files.size();
    tree_.files.reserve(found);
    for (uint32_t i = 0; i < scanned_->directories.size(); ++i) {
      const ScannedDirectory& directory = scanned_->directories[i];
      tree_.symlink_count += static_cast<int64_t>(directory.symlinks.size());
      for (uint32_t j = 0; j < directory.files.size(); ++j) {
        const ScannedFile& file = directory.files[j];
        if (file.content == ScannedFile::Content::kGone) continue;
        ++tree_.file_count;
        tree_.total_bytes += file.key.size_bytes;
        tree_.files.try_emplace(file.key, CapturedFile{i, j});
      }
    }
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
  const int threads_;
  StatCache cache_;
  std::shared_ptr<ScannedTree> scanned_;
  std::vector<Message> messages_;  // by directory
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
