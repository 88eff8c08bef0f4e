#ifndef RALLY_AGENT_RUNTIME_PURGE_NAMESPACE_H_
#define RALLY_AGENT_RUNTIME_PURGE_NAMESPACE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// For who borrowed a containerd: to give it back as it was.
namespace rally::runtime {

// Whether containerd knows the namespace. Blocking: one short call.
absl::StatusOr<bool> NamespaceExists(const std::string& socket,
                                     const std::string& containerd_namespace);

// Removes every image, blob, snapshot and lease of the namespace, waits until containerd has freed
// their space, and removes the namespace. What other namespaces share stays theirs. Nothing to
// remove is no error. FailedPrecondition, and nothing is removed, while there are containers in it:
// they belong to somebody. Blocking: on containerd's disk, in calls of at most a minute each.
absl::Status PurgeNamespace(const std::string& socket, const std::string& containerd_namespace);

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_PURGE_NAMESPACE_H_
