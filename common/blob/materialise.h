#ifndef RALLY_COMMON_BLOB_MATERIALISE_H_
#define RALLY_COMMON_BLOB_MATERIALISE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/blob/blob_store.h"
#include "common/blob/digest.h"
#include "common/blob/directory_reader.h"
#include "common/blob/tree.h"

namespace rally::blob {

// A place on this machine that may have a file's content already.
// Threads: called from one thread at a time.
class FileSource {
 public:
  virtual ~FileSource() = default;

  // Makes dirfd/name, which doesn't exist, a regular file with this content, mode and mtime, by a
  // link or a copy, and returns true; or leaves nothing there and returns false. It must not
  // follow anything at `name`.
  virtual bool TryLocal(const Digest& digest, uint32_t mode, std::optional<absl::Time> mtime,
                        int dirfd, const char* name) = 0;
};

struct MaterialiseOptions {
  TreeLimits limits;
};

// What was written.
struct MaterialiseStats {
  int64_t files = 0;
  int64_t symlinks = 0;
  int64_t directories = 0;  // Without the root.
  int64_t local_files = 0;  // Those that the FileSource provided.
  int64_t fetched_blobs = 0;
  int64_t fetched_bytes = 0;
  int64_t whiteouts = 0;
};

// Builds the tree as parent_dirfd/name, which must not exist, with exact modes and mtimes, owned
// by the caller. The tree is checked whole against the limits before anything is written or any
// file is fetched; files are created through directory descriptors, never through a link. Nothing
// is left behind after an error. The caller publishes the tree by renaming it.
// Blocking: on the disk and the store. `local` may be null.
// Errors: those of reader and store; InvalidArgument (no valid tree), ResourceExhausted (limits, a
//   full disk), AlreadyExists (the name).
absl::StatusOr<MaterialiseStats> Materialise(const Digest& root, DirectoryReader& reader,
                                             BlobStore& store, FileSource* local, int parent_dirfd,
                                             const std::string& name,
                                             const MaterialiseOptions& options = {});

// The same for a tree that LoadTree has read, and checked against the limits; what it left out
// comes from `reader` when it is needed. With a `base`, which is another tree that `reader` knows,
// only what differs from it is written, as overlayfs wants a layer above it: whatever has to go is
// a whiteout.
absl::StatusOr<MaterialiseStats> MaterialiseLoaded(const LoadedTree& tree, const Digest& root,
                                                   const std::optional<Digest>& base,
                                                   DirectoryReader& reader, BlobStore& store,
                                                   FileSource* local, int parent_dirfd,
                                                   const std::string& name);

}  // namespace rally::blob

#endif  // RALLY_COMMON_BLOB_MATERIALISE_H_
