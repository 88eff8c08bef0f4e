#ifndef RALLY_AGENT_WORKSPACE_LOCAL_FILES_H_
#define RALLY_AGENT_WORKSPACE_LOCAL_FILES_H_

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/blob/blob_key.h"
#include "common/blob/digest.h"
#include "common/file_descriptor.h"

namespace rally::workspace {

// Which content lies where in the layers on this host, so that a tree that resembles one that is
// here takes from the network only what is new. An index in memory, at most kMaxFiles contents;
// what it doesn't know is fetched, so it may forget or be wrong about what exists.
// Threads: thread-safe. Blocking: Provide, on the disk.
class LocalFiles {
 public:
  static constexpr size_t kMaxFiles = 4'000'000;

  // Remembers that `path`, in the layer's directory, has this content. The last one counts: its
  // mtime is most likely the one that is wanted next.
  void Add(const blob::BlobKey& content, uint64_t layer, absl::string_view path);

  // The inodes that a tree in the making has by links. No step may find one inode under two names
  // that it didn't link itself: cp and tar would keep them one.
  using LinkedInodes = absl::flat_hash_set<ino_t>;

  // Makes dirfd/name, which doesn't exist, a file with this content: where `linked` isn't null and
  // lacks the inode, and mode and mtime agree, a hard link, else a copy. False, and nothing there,
  // when it can't, or what is here no longer has that content. `layers` is the directory of all
  // layers. Nothing for empty files: they are faster made than found.
  bool Provide(const blob::Digest& digest, uint32_t mode, std::optional<absl::Time> mtime,
               int layers, int dirfd, const char* name, LinkedInodes* linked);

  // Forgets what lies in these layers.
  void Forget(const std::vector<uint64_t>& layers);
  // The file with this content, to be read; not valid when there is none. Only the size is checked.
  FileDescriptor Open(const blob::Digest& digest, int layers) const;

  size_t size() const;

 private:
  struct Place {
    uint64_t layer;
    std::string path;
  };

  void ForgetDamaged(const blob::Digest& digest);
  // An O_PATH descriptor.
  FileDescriptor Find(const blob::Digest& digest, int layers, struct stat* stat) const;

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<blob::BlobKey, Place> files_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_LOCAL_FILES_H_
