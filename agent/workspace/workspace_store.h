#ifndef RALLY_AGENT_WORKSPACE_WORKSPACE_STORE_H_
#define RALLY_AGENT_WORKSPACE_WORKSPACE_STORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "agent/runtime/call_limits.h"
#include "common/blob/blob_store.h"
#include "common/blob/digest.h"

namespace rally::workspace {

// What the trees on this host may take.
struct TreeBudget {
  int64_t max_bytes = 0;  // As the disk counts them; 0: what the disk has.
  // How much of the disk, bytes and inodes, others shall find free.
  int keep_free_percent = 5;
};

// The workspaces of one agent: trees materialised on this host, an overlay mount per attempt, and
// the capture of what a step changed. Trees that no attempt uses go when the budget wants it, the
// one used the longest ago first. It does not run steps.
//
// Ownership: owns everything below Options::directory, which one process uses at a time. The remote
//   blob store must outlive it. The destructor finishes background work but leaves attempts
//   mounted: they belong to steps that outlive the agent.
// Threads: thread-safe. Calls for one attempt exclude each other; calls for different ones do not.
// Blocking: every method but HasTree, KeepBudget and Attempts does disk or network I/O. EnsureTree
//   and Capture honour their limits; Mount gives EnsureTree ten minutes.
// Errors: InvalidArgument (attempt name; a tree or a file name that can't be stored),
//   FailedPrecondition (this kernel or filesystem can't do it; still in use; host restarted since),
//   NotFound (unknown attempt; blob missing everywhere), ResourceExhausted (limits of a tree),
//   DataLoss (digest mismatch), Unavailable (remote store), DeadlineExceeded and Cancelled (the
//   remote store, the caller's limits).
class WorkspaceStore {
 public:
  struct Options {
    std::string directory;
    // A tree that would be stacked from more layers than this is flattened in the background.
    int max_layers = 32;
    TreeBudget budget;
  };

  struct CaptureResult {
    blob::Digest output_root;
    // Entries (files, symlinks, directories) against the input tree. A moved or removed directory
    // counts each entry below it.
    int64_t added = 0;
    int64_t changed = 0;
    int64_t removed = 0;
    int64_t uploaded_bytes = 0;
    // Lines for the step's log: what could not be kept.
    std::vector<std::string> warnings;
  };

  // Checks by a real mount that overlayfs works here, removes what a crash left half done, and
  // finds the trees and attempts of earlier runs.
  static absl::StatusOr<std::unique_ptr<WorkspaceStore>> Open(const Options& options,
                                                              blob::BlobStore* remote);
  virtual ~WorkspaceStore() = default;

  // A directory of the attempt's own, a shared mount, so that the overlay that Mount puts there
  // later appears in an rslave bind made before. Returns its absolute path. Idempotent.
  virtual absl::StatusOr<std::string> CreateMountPoint(const std::string& attempt) = 0;

  // Makes the tree present on this host, fetching only the blobs that it lacks. Concurrent calls
  // for one root share the work. Pins nothing.
  virtual absl::Status EnsureTree(const blob::Digest& root, absl::Time deadline) = 0;

  // Mounts a writable view of the tree at the attempt's mount point; to the step everything in it
  // belongs to uid and gid, on disk to root. Repeating it with the same arguments is fine.
  virtual absl::Status Mount(const std::string& attempt, const blob::Digest& root, uint32_t uid,
                             uint32_t gid) = 0;

  // Call after the attempt's last process is dead. Unmounts, uploads what changed, and returns the
  // root of the tree as the step left it. More than a tree may have is refused before it is read.
  // May be repeated after an error or a crash; once it has succeeded it answers the same until
  // Discard.
  virtual absl::StatusOr<CaptureResult> Capture(const std::string& attempt,
                                                const runtime::CallLimits& limits) = 0;

  // After EnsureTree or Mount has failed with NotFound or DataLoss: the tree's blobs that are
  // neither on this host nor to be had from the remote store; as many as fit into a message.
  virtual absl::StatusOr<std::vector<blob::Digest>> FindLost(const blob::Digest& root,
                                                             absl::Time deadline) = 0;

  // Uploads those of the blobs that are in trees on this host, to a remote store that has lost
  // them, and returns which it has now.
  virtual std::vector<blob::Digest> SendAgain(absl::Span<const blob::Digest> blobs,
                                              absl::Time deadline) = 0;

  // Unmounts and forgets the attempt, whatever state it is in. Idempotent, also for unknown ones.
  virtual absl::Status Discard(const std::string& attempt) = 0;

  // Attempts that have something on disk or mounted, sorted.
  virtual std::vector<std::string> Attempts() const = 0;

  // Looks soon whether the trees still keep their budget, for others fill the disk, too, and evicts
  // until so many bytes more are free. Doesn't block.
  virtual void KeepBudget(int64_t wanted_bytes) = 0;

  virtual bool HasTree(const blob::Digest& root) const = 0;

  // Waits until flattening and deletion queued so far are done.
  virtual void FinishBackgroundWork() = 0;

 protected:
  WorkspaceStore() = default;
  WorkspaceStore(const WorkspaceStore&) = delete;
  WorkspaceStore& operator=(const WorkspaceStore&) = delete;
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_WORKSPACE_STORE_H_
