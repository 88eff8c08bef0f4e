#ifndef RALLY_COMMON_BLOB_CAPTURE_DIRECTORY_H_
#define RALLY_COMMON_BLOB_CAPTURE_DIRECTORY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/blob/blob_key.h"
#include "common/blob/blob_store.h"
#include "common/blob/digest.h"
#include "common/blob/directory.h"
#include "common/blob/directory_scan.h"
#include "common/blob/tree.h"
#include "common/file_descriptor.h"

namespace rally::blob {

struct CaptureOptions {
  // A file that remembers digests by (path, size, mtime, ctime, inode), so that a file that did not
  // change isn't read again. Empty: none. A file that can't be read or is damaged counts as empty,
  // one that can't be written is a warning.
  std::string stat_cache_file;
  // A file that was touched less than this before the capture is read again next time: a change
  // right after could leave the same times.
  absl::Duration racy_window = absl::Seconds(1);
  // 0: one a core.
  int threads = 0;
  // Leaves out what .rallyignore in the root says; without one, .dockerignore; without both, the
  // .gitignore of each directory (ignore_files.h).
  bool obey_ignore_files = false;
  // Without it, everything called .git is left out.
  bool keep_git = true;
  TreeLimits limits;
  // Told now and then, by one thread at a time, how many files and bytes were read so far, for
  // those that the stat cache doesn't know. Null: nobody.
  std::function<void(int64_t files, int64_t bytes)> on_hashed;
};

// Where a file is in the scanned tree: paths are made for those only that are needed.
struct CapturedFile {
  uint32_t directory = 0;
  uint32_t file = 0;
};

// A directory as it was found: its tree's messages in memory, its files' contents still on disk.
struct CapturedTree {
  Digest root;
  absl::flat_hash_map<Digest, std::string> directories;  // Messages' bytes.
  // One file with each different content.
  absl::flat_hash_map<BlobKey, CapturedFile> files;
  std::shared_ptr<const ScannedTree> scanned;
  std::shared_ptr<const FileDescriptor> root_fd;

  int64_t file_count = 0;
  int64_t symlink_count = 0;
  int64_t directory_count = 0;  // Without the root.
  int64_t total_bytes = 0;
  // What was left out, what is below not counted, and by which kind of file ("": there was none).
  int64_t ignored_entries = 0;
  std::string ignore_file;
  int64_t hashed_files = 0;  // Those that were read.
  int64_t hashed_bytes = 0;
  // A line each: sockets, fifos and devices that were left out, a stat cache that can't be written.
  std::vector<std::string> warnings;

  // Relative to the root.
  std::string PathOf(const CapturedFile& file) const {
    return scanned->PathOf(file.directory, scanned->directories[file.directory].files[file.file]);
  }
};

// Reads the directory at `path`, never through a symlink below it.
// Errors: NotFound and InvalidArgument (no directory; a name that isn't UTF-8, naming the path),
//   PermissionDenied, ResourceExhausted (limits), Aborted (a file changed while it was read).
// Of a file that only grows while it is read, the tree has what it began with, and a warning.
absl::StatusOr<CapturedTree> CaptureDirectory(const std::string& path,
                                              const CaptureOptions& options = {});

struct UploadProgress {
  int64_t total_blobs = 0;  // Of the tree, each content once.
  int64_t total_bytes = 0;
  int64_t missing_blobs = 0;  // Those that the store lacked.
  int64_t missing_bytes = 0;
  int64_t uploaded_blobs = 0;
  int64_t uploaded_bytes = 0;
};

enum class UploadTrust {
  // The store is asked about every blob.
  kNothing,
  // The store is asked about directories, and about the files of those that it lacks: one that it
  // has was uploaded after its files. It may have lost these since, so the caller needs somebody
  // who notices, as the controller does that takes a build.
  kKnownDirectories,
};

// Uploads what the store lacks, and of files as much as was captured: files first, then
// directories, so that a directory that is there has its files. What was uploaded stays there after
// an error or a signal: the next try goes on from that. `on_progress` (may be null) is called from
// this thread after each part.
absl::StatusOr<UploadProgress> UploadTree(
    BlobStore& store, const CapturedTree& tree,
    const std::function<void(const UploadProgress&)>& on_progress = nullptr,
    UploadTrust trust = UploadTrust::kNothing);

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_CAPTURE_DIRECTORY_H_
