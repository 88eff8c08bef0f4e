#include "controller/tree_joiner.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/delta.h"

namespace rally::controller {
namespace {

blob::Digest FromCore(const core::Digest& digest) { return {digest.hash, digest.size_bytes}; }

}  // namespace

core::TreeJoined JoinAndStore(const core::JoinTrees& command, blob::DirectoryReader& reader,
                              blob::BlobStore& store) {
  core::TreeJoined joined;
  joined.build_id = command.build_id;
  joined.step = command.step;
  std::vector<blob::StepTrees> deltas;
  deltas.reserve(command.deltas.size());
  for (const core::StepTrees& trees : command.deltas) {
    deltas.push_back({trees.step_id, FromCore(trees.input), FromCore(trees.output)});
  }
  auto ordered = [&](int earlier, int later) {
    const std::vector<int>& before = command.before[later];
    return std::binary_search(before.begin(), before.end(), earlier);
  };
  absl::StatusOr<blob::JoinResult> result =
      blob::Join(reader, FromCore(command.base), deltas, ordered);
  if (!result.ok()) {
    joined.error =
        absl::StrCat("joining the workspaces of earlier steps: ", result.status().message());
    return joined;
  }
  std::vector<blob::BlobUpload> uploads;
  uploads.reserve(result->new_directories.size());
  for (auto& [digest, bytes] : result->new_directories) {
    uploads.push_back({digest, std::move(bytes)});
  }
  if (absl::Status status = store.Upload(std::move(uploads)); !status.ok()) {
    joined.error = absl::StrCat("storing a joined workspace: ", status.message());
    return joined;
  }
  joined.root = {result->root.hash, result->root.size_bytes};
  for (blob::Conflict& conflict : result->conflicts) {
    joined.conflicts.push_back({std::move(conflict.earlier_step), std::move(conflict.later_step),
                                std::move(conflict.path)});
  }
  return joined;
}

}  // namespace rally::controller
