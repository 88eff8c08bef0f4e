#ifndef RALLY_COMMON_BLOB_DIRECTORY_SCAN_H_
#define RALLY_COMMON_BLOB_DIRECTORY_SCAN_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/blob/blob_key.h"
#include "common/blob/tree.h"

namespace rally::blob {

class StatCache;

// What stat tells of a file and that changes with its content, and its mode. A value.
struct FileStat {
  int64_t size_bytes = 0;
  absl::Time mtime;
  absl::Time ctime;
  uint64_t inode = 0;
  uint64_t device = 0;
  uint32_t mode = 0;

  static FileStat Of(const struct stat& st);
  // Whether both are of one content, as far as stat can tell.
  friend bool SameContent(const FileStat& a, const FileStat& b) {
    return a.size_bytes == b.size_bytes && a.mtime == b.mtime && a.ctime == b.ctime &&
           a.inode == b.inode && a.device == b.device;
  }
};

struct ScannedFile {
  enum class Content {
    kUnread,
    kCached,  // its key is from the stat cache
    kRead,
    kReadAsItGrew,  // its key is that of as many bytes as its stat says
    kGone,          // it went away, or is no regular file any more
  };

  std::string name;
  FileStat stat;
  BlobKey key;
  Content content = Content::kUnread;
};

struct ScannedSymlink {
  std::string name;
  std::string target;
};

struct ScannedDirectory {
  std::string path;  // "" is the root
  uint32_t name_length = 0;
  uint32_t parent = 0;  // index; the root's is its own
  int depth = 0;
  bool only_whats_below = false;  // it isn't kept when nothing below it is
  uint32_t mode = 0;
  absl::Time mtime;
  // Each kind sorted by name.
  std::vector<ScannedFile> files;
  std::vector<ScannedSymlink> symlinks;
  std::vector<uint32_t> children;  // indices of directories

  absl::string_view name() const {
    return absl::string_view(path).substr(path.size() - name_length);
  }
};

// All that a directory holds, but for the contents of its files.
struct ScannedTree {
  std::vector<ScannedDirectory> directories;  // by depth, those of one parent by name
  int64_t ignored_entries = 0;
  std::string ignore_file;
  std::vector<std::string> special_files;  // sockets, fifos and devices, which are left out

  std::string PathOf(uint32_t directory, const ScannedFile& file) const;
};

struct ScanOptions {
  bool obey_ignore_files = false;
  bool keep_git = true;
  TreeLimits limits;
  int threads = 1;
};

// Lists the directory and all below it, never through a symlink, on several threads. Files have
// names only. Blocks on the disk.
// Errors: as CaptureDirectory's.
absl::StatusOr<ScannedTree> ListTree(int root_fd, const ScanOptions& options);

// Asks for the stat of every file of the tree, on several threads, and takes the contents of those
// that the cache knows from there. Blocks on the disk. Errors: as CaptureDirectory's.
absl::Status StatFiles(int root_fd, const ScanOptions& options, const StatCache& cache,
                       ScannedTree* tree);

// For messages: quoted, without control characters.
std::string ShownPath(absl::string_view path);

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_DIRECTORY_SCAN_H_
