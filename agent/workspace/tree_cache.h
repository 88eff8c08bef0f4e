#ifndef RALLY_AGENT_WORKSPACE_TREE_CACHE_H_
#define RALLY_AGENT_WORKSPACE_TREE_CACHE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/workspace/directory_messages.h"
#include "agent/workspace/local_files.h"
#include "agent/workspace/trash.h"
#include "agent/workspace/tree_catalog.h"
#include "common/blob/blob_key.h"
#include "common/blob/directory_reader.h"
#include "common/blob/known_sizes.h"
#include "common/blob/tree.h"
#include "common/file_descriptor.h"

namespace rally::workspace {

// The trees on this host and how they come here: materialised from blobs, whole or as a layer over
// the tree here that resembles them most; adopted from a step's upper directory; or flattened from
// too many layers. It knows neither attempts nor mounts.
//
// Ownership: what the constructor takes must outlive it. Threads: thread-safe. Blocking: on disk
// and remote store. Errors: those of Materialise, DeadlineExceeded.
class TreeCache {
 public:
  // `directory` is the store's; the catalog's layers are below it, new ones are built in its
  // "staging". The reader reads through the messages, and they from the remote store.
  struct Parts {
    TreeCatalog* catalog;
    LocalFiles* local_files;
    DirectoryMessages* messages;
    blob::DirectoryReader* reader;
    blob::BlobStore* remote;
    Trash* trash;
    // Tries to free so many bytes of a full disk.
    std::function<absl::Status(int64_t)> make_room;
    // Runs what nobody waits for, or never.
    std::function<void(std::function<void()>)> later;
  };
  TreeCache(std::string directory, Parts parts);

  // Makes the tree present. Concurrent calls for one root share the work. Its files serve other
  // trees a little later.
  absl::StatusOr<TreeCatalog::HeldTree> Ensure(const blob::Digest& root, absl::Time deadline);

  // Makes `upper`, a directory on the same filesystem, the top layer of the tree `root`, the rest
  // being `below`. `files` are the regular files in it. Takes `upper` away in any case.
  absl::Status Adopt(const blob::Digest& root, const std::string& upper, LocalTree below,
                     int64_t entries,
                     const std::deque<std::pair<blob::BlobKey, std::string>>& files);

  // Replaces the tree's layers by a single one. Mounts of the old ones go on working.
  absl::Status Flatten(const blob::Digest& root, absl::Time deadline);

  // A file of some tree here with this content, to be read; not valid when there is none. Only its
  // size is checked. Waits until FindLocalFiles is done.
  FileDescriptor OpenFile(const blob::Digest& digest) const {
    local_files_found_.WaitForNotification();
    return parts_.local_files->Open(digest, layers_.get());
  }

  // Finds the content of all trees that the catalog knew at start, without the network. Until it
  // is done, Ensure waits before it fetches anything. Call once.
  void FindLocalFiles();

 private:
  struct Flight {
    absl::Notification done;
    absl::Status status;  // Written before `done`.
  };

  // Over the nearest tree, unless it shall be `whole`.
  absl::Status Build(const blob::Digest& root, bool whole, absl::Time deadline);
  // On top of `below`, if there is one.
  absl::Status BuildLayer(const blob::LoadedTree& loaded, const blob::Digest& root,
                          const std::optional<blob::Digest>& base, const LocalTree& below,
                          absl::Time deadline);
  void AddFilesOfTree(const blob::Digest& root, uint64_t layer);
  void AddFilesOfLayer(const blob::Digest& root, uint64_t layer);

  const std::string directory_;
  const Parts parts_;
  FileDescriptor layers_;
  absl::Notification local_files_found_;
  // So that of a tree that resembles one that was here only what is new is looked at.
  blob::KnownSizes known_sizes_;

  absl::Mutex mutex_;
  // Shared by the caller that does the work and those that wait for it.
  absl::flat_hash_map<blob::Digest, std::shared_ptr<Flight>> flights_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_TREE_CACHE_H_
