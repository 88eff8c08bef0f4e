#include "common/blob/materialise.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/blob/blob_key.h"
#include "common/blob/file_digest.h"
#include "common/blob/open_beneath.h"
#include "common/blob/run_in_parallel.h"

namespace rally::blob {
namespace {

// Blobs above are streamed to their file, smaller ones read in batches that lie in memory.
constexpr int64_t kSmallBlobBytes = 256 * 1024;
// Each, with what a message has beside the bytes of so many blobs, fits one call to a store behind
// a network, so that one batch is written while others come.
constexpr int64_t kBatchBytes = 1024 * 1024 - 150 * 1024;
constexpr size_t kBatchBlobs = 1'000;
constexpr size_t kBlobsWorthABatch = 50;
// Batches or streams at a time.
constexpr int kStreams = 4;
constexpr mode_t kAllModeBits = 0777;
constexpr size_t kCopyBytes = 256 * 1024;

absl::Status SetTimes(int fd, std::optional<absl::Time> mtime) {
  if (!mtime.has_value()) return absl::OkStatus();
  timespec times[2];
  times[0].tv_nsec = UTIME_NOW;
  times[1] = absl::ToTimespec(*mtime);
  if (futimens(fd, times) != 0) return ErrnoStatus(errno, "setting the mtime");
  return absl::OkStatus();
}

bool HasEntry(const Directory& directory, const std::string& name) {
  return FindNode(directory.files(), name) != nullptr ||
         FindNode(directory.directories(), name) != nullptr ||
         FindNode(directory.symlinks(), name) != nullptr;
}

// Builds one tree below one directory. In passes over the tree, so that file contents can be
// fetched in batches that span directories: directories and what is at hand, what has to be
// fetched, symlinks, and the directories' own modes and times last, children before parents.
class Builder {
 public:
  Builder(const LoadedTree& tree, DirectoryReader& reader, BlobStore& store, FileSource* local,
          int root_fd)
      : tree_(tree),
        reader_(reader),
        store_(store),
        local_(local),
        root_fd_(root_fd),
        refused_mode_bits_(RefusedModeBits(root_fd)) {}

  absl::StatusOr<MaterialiseStats> Run(const Digest& root, const std::optional<Digest>& base) {
    if (absl::Status s = MakeDirectories(root, base, ""); !s.ok()) return s;
    last_places_ = {};  // All are known, and what is fetched next wants memory, too.
    if (absl::Status s = FetchSmall(); !s.ok()) return s;
    if (absl::Status s = FetchLarge(); !s.ok()) return s;
    for (const PlacedDirectory& placed : directories_) {
      if (absl::Status s = MakeSymlinks(placed); !s.ok()) return s;
    }
    for (auto placed = directories_.rbegin(); placed != directories_.rend(); ++placed) {
      if (absl::Status s = FinishDirectory(*placed); !s.ok()) return s;
    }
    return stats_;
  }

 private:
  struct PlacedDirectory {
    std::string path;  // Below the root, which is "".
    std::shared_ptr<const Directory> directory;
    // What is there already; never null.
    std::shared_ptr<const Directory> base;
  };
  // Where a content goes. A tree has many, so those of one content are a chain instead of a list of
  // their own, and the digest stays where it is, in the node.
  struct Place {
    const FileNode* node;
    uint32_t directory;        // Index in directories_.
    uint32_t next = kNoPlace;  // The next one of the same content.
  };
  static constexpr uint32_t kNoPlace = std::numeric_limits<uint32_t>::max();

  // Directories to make, and what is at their places.
  using Children = std::vector<std::pair<const DirectoryNode*, std::optional<Digest>>>;

  // Preorder, so that parents come before children in directories_.
  absl::Status MakeDirectories(const Digest& digest, const std::optional<Digest>& base,
                               const std::string& path) {
    absl::StatusOr<std::shared_ptr<const Directory>> wanted = ReadFrom(tree_, reader_, digest);
    if (!wanted.ok()) return wanted.status();
    const Directory& directory = **wanted;
    // The reader should have refused a bad one; what follows writes as root by its names.
    if (absl::Status valid = Validate(directory); !valid.ok()) {
      return absl::Status(valid.code(),
                          absl::StrCat("blob ", digest.ToString(), ": ", valid.message()));
    }
    const auto index = static_cast<uint32_t>(directories_.size());
    absl::StatusOr<std::shared_ptr<const Directory>> below = std::make_shared<const Directory>();
    if (base.has_value()) below = reader_.Read(*base);
    if (!below.ok()) return below.status();
    directories_.push_back({path, *wanted, *below});
    Children children;
    {
      absl::StatusOr<FileDescriptor> fd = OpenBeneath(root_fd_, path, O_RDONLY | O_DIRECTORY);
      if (!fd.ok()) return fd.status();
      for (const DirectoryNode& child : directory.directories()) {
        std::optional<Digest> there;
        const DirectoryNode* node = FindNode((*below)->directories(), child.name());
        if (node != nullptr) there = DigestOfNode(*node);
        if (there == DigestOfNode(child)) continue;
        if (mkdirat(fd->get(), child.name().c_str(), 0700) != 0) {
          return ErrnoStatus(errno,
                             absl::StrCat("creating directory '", Shown(path, child.name()), "'"));
        }
        ++stats_.directories;
        children.emplace_back(&child, std::move(there));
      }
      for (const FileNode& file : directory.files()) {
        const FileNode* there = FindNode((*below)->files(), file.name());
        if (there != nullptr && IsSameFile(*there, file)) continue;
        if (absl::Status s = MakeOrWant(file, index, fd->get()); !s.ok()) return s;
      }
      if (absl::Status s = HideWhatWent(directories_[index], fd->get()); !s.ok()) return s;
    }
    Prefetch(children);
    for (auto& [child, there] : children) {
      absl::Status s =
          MakeDirectories(DigestOfNode(*child), there,
                          path.empty() ? child->name() : absl::StrCat(path, "/", child->name()));
      if (!s.ok()) return s;
    }
    return absl::OkStatus();
  }

  void Prefetch(const Children& children) {
    std::vector<Digest> unloaded;
    for (const auto& [child, there] : children) {
      Digest digest = DigestOfNode(*child);
      if (!tree_.directories.contains(digest)) unloaded.push_back(std::move(digest));
    }
    reader_.Prefetch(unloaded);
  }

  absl::Status HideWhatWent(const PlacedDirectory& placed, int directory_fd) {
    const auto hide = [&](const auto& nodes) -> absl::Status {
      for (const auto& node : nodes) {
        if (HasEntry(*placed.directory, node.name())) continue;
        if (mknodat(directory_fd, node.name().c_str(), S_IFCHR, makedev(0, 0)) != 0) {
          return ErrnoStatus(errno, absl::StrCat("hiding '", Shown(placed.path, node.name()), "'"));
        }
        ++stats_.whiteouts;
      }
      return absl::OkStatus();
    };
    absl::Status status = hide(placed.base->files());
    if (status.ok()) status = hide(placed.base->directories());
    if (status.ok()) status = hide(placed.base->symlinks());
    return status;
  }

  absl::Status MakeOrWant(const FileNode& file, uint32_t directory, int directory_fd) {
    ++stats_.files;
    const Digest digest = DigestOfNode(file);
    if (digest == EmptyBlobDigest()) return WriteFile(directory_fd, {&file, directory}, {});
    if (local_ != nullptr &&
        local_->TryLocal(digest, ModeOf(file), MtimeOf(file), directory_fd, file.name().c_str())) {
      ++stats_.local_files;
      return absl::OkStatus();
    }
    const auto place = static_cast<uint32_t>(places_.size());
    places_.push_back({&file, directory});
    const auto [last, is_new] = last_places_.try_emplace(BlobKey::Of(digest), place);
    if (is_new) {
      wanted_.push_back(place);
    } else {
      places_[last->second].next = place;
      last->second = place;
    }
    return absl::OkStatus();
  }

  // The mode bits that this process's umask, or the directory's ACL, takes from new files.
  static mode_t RefusedModeBits(int directory_fd) {
    FileDescriptor probe(openat(directory_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, kAllModeBits));
    struct stat st;
    if (!probe.valid() || fstat(probe.get(), &st) != 0) return kAllModeBits;
    return kAllModeBits & ~st.st_mode;
  }

  absl::Status FetchSmall() {
    std::vector<std::vector<uint32_t>> batches;
    int64_t bytes = 0;
    const size_t most = std::clamp(wanted_.size() / kStreams, kBlobsWorthABatch, kBatchBlobs);
    for (const uint32_t wanted : wanted_) {
      const int64_t size_bytes = SizeOf(wanted);
      if (size_bytes > kSmallBlobBytes) continue;
      if (batches.empty() || bytes + size_bytes > kBatchBytes || batches.back().size() >= most) {
        batches.emplace_back();
        bytes = 0;
      }
      batches.back().push_back(wanted);
      bytes += size_bytes;
      ++stats_.fetched_blobs;
      stats_.fetched_bytes += size_bytes;
    }
    return RunInParallel(batches.size(), kStreams,
                         [&](size_t i) { return FetchBatch(batches[i]); });
  }

  absl::Status FetchBatch(const std::vector<uint32_t>& batch) const {
    std::vector<Digest> digests;
    digests.reserve(batch.size());
    for (const uint32_t wanted : batch) digests.push_back(DigestOfNode(*places_[wanted].node));
    FileDescriptor fd;
    size_t open_directory = directories_.size();
    const auto write = [&](uint32_t first, Pieces bytes) -> absl::Status {
      for (uint32_t at = first; at != kNoPlace; at = places_[at].next) {
        const Place& place = places_[at];
        if (place.directory != open_directory) {
          absl::StatusOr<FileDescriptor> opened = OpenDirectory(place.directory);
          if (!opened.ok()) return opened.status();
          fd = *std::move(opened);
          open_directory = place.directory;
        }
        if (absl::Status s = WriteFile(fd.get(), place, bytes); !s.ok()) return s;
      }
      return absl::OkStatus();
    };
    absl::Status written;
    absl::Status read = store_.ReadEach(digests, [&](size_t i, Pieces bytes) {
      if (written.ok()) written = write(batch[i], bytes);
    });
    return written.ok() ? read : written;
  }

  absl::Status FetchLarge() {
    std::vector<uint32_t> large;
    for (const uint32_t wanted : wanted_) {
      if (SizeOf(wanted) <= kSmallBlobBytes) continue;
      large.push_back(wanted);
      ++stats_.fetched_blobs;
      stats_.fetched_bytes += SizeOf(wanted);
    }
    return RunInParallel(large.size(), kStreams, [&](size_t i) { return FetchStream(large[i]); });
  }

  absl::Status FetchStream(uint32_t wanted) const {
    const Digest digest = DigestOfNode(*places_[wanted].node);
    FileDescriptor first;
    for (uint32_t at = wanted; at != kNoPlace; at = places_[at].next) {
      const Place& place = places_[at];
      absl::StatusOr<FileDescriptor> directory_fd = OpenDirectory(place.directory);
      if (!directory_fd.ok()) return directory_fd.status();
      absl::StatusOr<FileDescriptor> fd = CreateFile(directory_fd->get(), place);
      if (!fd.ok()) return fd.status();
      absl::Status filled =
          first.valid() ? CopyAll(first.get(), fd->get()) : store_.ReadToFile(digest, fd->get());
      if (!filled.ok()) {
        return absl::Status(filled.code(),
                            absl::StrCat("'", Shown(place), "': ", filled.message()));
      }
      if (absl::Status s = FinishFile(fd->get(), place); !s.ok()) return s;
      if (!first.valid()) first = *std::move(fd);
    }
    return absl::OkStatus();
  }

  static absl::Status CopyAll(int from, int to) {
    std::string buffer(kCopyBytes, '\0');
    off_t offset = 0;
    while (true) {
      const ssize_t n = pread(from, buffer.data(), buffer.size(), offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus(errno, "copying a file");
      if (n == 0) return absl::OkStatus();
      absl::Status s = WriteAll(to, absl::string_view(buffer.data(), n));
      if (!s.ok()) return s;
      offset += n;
    }
  }

  int64_t SizeOf(uint32_t place) const { return places_[place].node->digest().size_bytes(); }

  absl::StatusOr<FileDescriptor> OpenDirectory(size_t index) const {
    return OpenBeneath(root_fd_, directories_[index].path, O_RDONLY | O_DIRECTORY);
  }

  absl::StatusOr<FileDescriptor> CreateFile(int directory_fd, const Place& place) const {
    FileDescriptor fd(openat(directory_fd, place.node->name().c_str(),
                             O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                             ModeOf(*place.node)));
    if (!fd.valid()) return ErrnoStatus(errno, absl::StrCat("creating '", Shown(place), "'"));
    return fd;
  }

  absl::Status WriteFile(int directory_fd, const Place& place, Pieces bytes) const {
    absl::StatusOr<FileDescriptor> fd = CreateFile(directory_fd, place);
    if (!fd.ok()) return fd.status();
    for (const absl::string_view piece : bytes) {
      if (absl::Status s = WriteAll(fd->get(), piece); !s.ok()) {
        return absl::Status(s.code(), absl::StrCat("'", Shown(place), "': ", s.message()));
      }
    }
    return FinishFile(fd->get(), place);
  }

  absl::Status FinishFile(int fd, const Place& place) const {
    const mode_t mode = ModeOf(*place.node);
    if ((mode & refused_mode_bits_) != 0 && fchmod(fd, mode) != 0) {
      return ErrnoStatus(errno, absl::StrCat("setting the mode of '", Shown(place), "'"));
    }
    return SetTimes(fd, MtimeOf(*place.node));
  }

  absl::Status MakeSymlinks(const PlacedDirectory& placed) {
    if (placed.directory->symlinks().empty()) return absl::OkStatus();
    absl::StatusOr<FileDescriptor> fd = OpenBeneath(root_fd_, placed.path, O_RDONLY | O_DIRECTORY);
    if (!fd.ok()) return fd.status();
    for (const SymlinkNode& link : placed.directory->symlinks()) {
      const SymlinkNode* there = FindNode(placed.base->symlinks(), link.name());
      if (there != nullptr && there->target() == link.target()) continue;
      if (symlinkat(link.target().c_str(), fd->get(), link.name().c_str()) != 0) {
        return ErrnoStatus(
            errno, absl::StrCat("creating symlink '", Shown(placed.path, link.name()), "'"));
      }
      ++stats_.symlinks;
    }
    return absl::OkStatus();
  }

  absl::Status FinishDirectory(const PlacedDirectory& placed) const {
    absl::StatusOr<FileDescriptor> fd = OpenBeneath(root_fd_, placed.path, O_RDONLY | O_DIRECTORY);
    if (!fd.ok()) return fd.status();
    if (fchmod(fd->get(), ModeOf(*placed.directory)) != 0) {
      return ErrnoStatus(errno, absl::StrCat("setting the mode of '", Shown(placed.path, ""), "'"));
    }
    return SetTimes(fd->get(), MtimeOf(*placed.directory));
  }

  static std::string Shown(absl::string_view path, absl::string_view name) {
    return absl::CEscape(absl::StrCat(path, path.empty() ? "" : "/", name));
  }

  std::string Shown(const Place& place) const {
    return Shown(directories_[place.directory].path, place.node->name());
  }

  const LoadedTree& tree_;
  DirectoryReader& reader_;
  BlobStore& store_;
  FileSource* const local_;
  const int root_fd_;
  const mode_t refused_mode_bits_;
  std::vector<PlacedDirectory> directories_;
  std::vector<Place> places_;
  std::vector<uint32_t> wanted_;  // The first place of each content to fetch.
  absl::flat_hash_map<BlobKey, uint32_t> last_places_;
  MaterialiseStats stats_;
};

}  // namespace

absl::StatusOr<MaterialiseStats> Materialise(const Digest& root, DirectoryReader& reader,
                                             BlobStore& store, FileSource* local, int parent_dirfd,
                                             const std::string& name,
                                             const MaterialiseOptions& options) {
  absl::StatusOr<LoadedTree> tree = LoadTree(reader, root, options.limits);
  if (!tree.ok()) return tree.status();
  return MaterialiseLoaded(*tree, root, std::nullopt, reader, store, local, parent_dirfd, name);
}

absl::StatusOr<MaterialiseStats> MaterialiseLoaded(const LoadedTree& tree, const Digest& root,
                                                   const std::optional<Digest>& base,
                                                   DirectoryReader& reader, BlobStore& store,
                                                   FileSource* local, int parent_dirfd,
                                                   const std::string& name) {
  if (mkdirat(parent_dirfd, name.c_str(), 0700) != 0) {
    return ErrnoStatus(errno, absl::StrCat("creating '", name, "' for tree ", root.ToString()));
  }
  FileDescriptor root_fd(
      openat(parent_dirfd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  absl::StatusOr<MaterialiseStats> stats =
      root_fd.valid() ? Builder(tree, reader, store, local, root_fd.get()).Run(root, base)
                      : ErrnoStatus(errno, absl::StrCat("opening '", name, "'"));
  if (stats.ok()) return stats;
  const absl::Status removed = RemoveTree(parent_dirfd, name);
  return absl::Status(
      stats.status().code(),
      absl::StrCat("materialising tree ", root.ToString(), ": ", stats.status().message(),
                   removed.ok() ? "" : absl::StrCat("; and then ", removed.message())));
}

}  // namespace rally::blob
