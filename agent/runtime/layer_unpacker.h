#ifndef RALLY_AGENT_RUNTIME_LAYER_UNPACKER_H_
#define RALLY_AGENT_RUNTIME_LAYER_UNPACKER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/runtime/containerd_connection.h"
#include "agent/runtime/image_manifest.h"

namespace rally::runtime {

// Unpacks layers whose blobs are in the store, bottom up, each into a snapshot named by its chain
// id. Layers that are unpacked already are passed over. Two threads may unpack the same ones.
// kDataLoss when a layer's content isn't what the image's configuration says.
absl::Status UnpackLayers(const ContainerdConnection& connection,
                          const std::vector<BlobDescriptor>& layers,
                          const std::vector<std::string>& diff_ids, const Lease& lease,
                          const CallLimits& limits);

absl::StatusOr<bool> SnapshotExists(const ContainerdConnection& connection, const std::string& name,
                                    const CallLimits& limits);

// The directories on the host that hold an unpacked image's layers, the uppermost first.
absl::StatusOr<std::vector<std::string>> LayerDirectories(const ContainerdConnection& connection,
                                                          const std::string& top_chain_id,
                                                          const CallLimits& limits);

// Removes a snapshot whatever became of the caller's limits. One that isn't there is OK.
absl::Status RemoveSnapshot(const ContainerdConnection& connection, const std::string& key);

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_LAYER_UNPACKER_H_
