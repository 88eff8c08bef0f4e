#ifndef RALLY_AGENT_WORKSPACE_IDMAPPED_VIEW_H_
#define RALLY_AGENT_WORKSPACE_IDMAPPED_VIEW_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/file_descriptor.h"

namespace rally::workspace {

// Makes views of a directory for steps that don't run as root. Keeps the user namespaces that carry
// the mappings, since making one means a process.
// Threads: thread-safe. Blocking: only on the kernel.
class IdmappedViews {
 public:
  // Mounts a second view of `directory` at `target` (which exists), where root and uid (and root's
  // group and gid) have changed places: what lies on disk as root's belongs to the user there, and
  // what the user writes there lands on disk as root's. All other owners stay. The view is private
  // and doesn't contain mounts below `directory`. FailedPrecondition where the kernel or the
  // filesystem has no idmapped mounts.
  absl::Status Mount(const std::string& directory, const std::string& target, uint32_t uid,
                     uint32_t gid);

 private:
  // Shared with a Mount under way when the table is emptied.
  using Namespace = std::shared_ptr<const FileDescriptor>;
  absl::StatusOr<Namespace> NamespaceFor(uint32_t uid, uint32_t gid);

  absl::Mutex mutex_;
  absl::flat_hash_map<std::pair<uint32_t, uint32_t>, Namespace> namespaces_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_IDMAPPED_VIEW_H_
