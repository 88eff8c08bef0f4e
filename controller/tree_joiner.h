#ifndef RALLY_CONTROLLER_TREE_JOINER_H_
#define RALLY_CONTROLLER_TREE_JOINER_H_

#include "absl/status/status.h"
#include "common/blob/blob_store.h"
#include "common/blob/directory_reader.h"
#include "controller/core/command.h"
#include "controller/core/event.h"

namespace rally::controller {

// Does what a JoinTrees command says: joins the deltas onto the base, stores the directories that
// are new, and says what came of it. Blocks on the blob store. What it stored is not synced.
// `failure` gets what the event's error comes from, for those who ask whether it may pass.
core::TreeJoined JoinAndStore(const core::JoinTrees& command, blob::DirectoryReader& reader,
                              blob::BlobStore& store, absl::Status* failure);

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_TREE_JOINER_H_
