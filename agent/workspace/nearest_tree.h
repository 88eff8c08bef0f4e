#ifndef RALLY_AGENT_WORKSPACE_NEAREST_TREE_H_
#define RALLY_AGENT_WORKSPACE_NEAREST_TREE_H_

#include <optional>

#include "absl/types/span.h"
#include "common/blob/digest.h"
#include "common/blob/directory_reader.h"
#include "common/blob/tree.h"

namespace rally::workspace {

// The tree among `candidates` on which the fewest entries have to be changed to get `root`, the
// first of equals; none if for each it would be more than half of what `root` has. `tree` is
// `root`, loaded; `reader` knows what was left out of it, and the candidates, of which one that
// can't be read isn't chosen.
// Time grows with what differs, at most with the size of `root`, for each candidate.
std::optional<blob::Digest> NearestTree(const blob::LoadedTree& tree, const blob::Digest& root,
                                        absl::Span<const blob::Digest> candidates,
                                        blob::DirectoryReader& reader);

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_NEAREST_TREE_H_
