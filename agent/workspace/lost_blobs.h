#ifndef RALLY_AGENT_WORKSPACE_LOST_BLOBS_H_
#define RALLY_AGENT_WORKSPACE_LOST_BLOBS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "agent/workspace/directory_messages.h"
#include "agent/workspace/tree_cache.h"
#include "common/blob/blob_store.h"
#include "common/blob/digest.h"

namespace rally::workspace {

// How many FindLostBlobs names at most: they go into one message.
inline constexpr size_t kMaxLostBlobs = 1000;

// Why a tree can't come to this host: its blobs that are neither here nor to be had from `remote`.
// A store isn't taken at its word: whatever it says to have is read once. Blobs below a lost
// directory are not known.
// Blocks for as long as a fetch of the tree takes. Errors: those of the remote store, but for
// NotFound and DataLoss, which are what is looked for.
absl::StatusOr<std::vector<blob::Digest>> FindLostBlobs(const blob::Digest& root,
                                                        const DirectoryMessages& messages,
                                                        const TreeCache& cache,
                                                        blob::BlobStore& remote);

// Uploads those of the blobs that this host has, from its directory messages and its trees, after
// a check that they are what they are called. Returns those that are in the store now; an error of
// the store ends it with what was stored until then.
std::vector<blob::Digest> SendBlobsAgain(absl::Span<const blob::Digest> blobs,
                                         const DirectoryMessages& messages, const TreeCache& cache,
                                         blob::BlobStore& remote);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_LOST_BLOBS_H_
