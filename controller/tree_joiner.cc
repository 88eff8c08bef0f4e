#include "controller/tree_joiner.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/delta.h"

namespace rally::controller {
namespace {

blob::Digest FromCore(const core::Digest& digest) { return {digest.hash, digest.size_bytes}; }

core::Deed DeedOf(blob::Deed deed) {
  switch (deed) {
    case blob::Deed::kWroteFile:
      return core::Deed::kWroteFile;
    case blob::Deed::kMadeSymlink:
      return core::Deed::kMadeSymlink;
    case blob::Deed::kMadeDirectory:
      return core::Deed::kMadeDirectory;
    case blob::Deed::kRemoved:
      return core::Deed::kRemoved;
    case blob::Deed::kReplacedParent:
      return core::Deed::kReplacedParent;
  }
  return core::Deed::kWroteFile;
}

// Remembers which directories could not be read because they are lost.
class NotingReader : public blob::DirectoryReader {
 public:
  explicit NotingReader(blob::DirectoryReader& reader) : reader_(reader) {}

  absl::StatusOr<std::shared_ptr<const blob::Directory>> Read(const blob::Digest& digest) override {
    auto directory = reader_.Read(digest);
    if (absl::IsNotFound(directory.status()) || absl::IsDataLoss(directory.status())) {
      lost_.push_back({digest.hash, digest.size_bytes});
    }
    return directory;
  }
  void Prefetch(absl::Span<const blob::Digest> digests) override { reader_.Prefetch(digests); }

  const std::vector<core::Digest>& lost() const { return lost_; }

 private:
  blob::DirectoryReader& reader_;
  std::vector<core::Digest> lost_;
};

}  // namespace

core::TreeJoined JoinAndStore(const core::JoinTrees& command, blob::DirectoryReader& reader,
                              blob::BlobStore& store, absl::Status* failure) {
  core::TreeJoined joined;
  joined.build_id = command.build_id;
  joined.step = command.step;
  joined.generation = command.generation;
  std::vector<blob::StepTrees> deltas;
  deltas.reserve(command.deltas.size());
  for (const core::StepTrees& trees : command.deltas) {
    deltas.push_back({trees.step_id, FromCore(trees.input), FromCore(trees.output)});
  }
  auto ordered = [&](int earlier, int later) {
    const std::vector<int>& before = command.before[later];
    return std::binary_search(before.begin(), before.end(), earlier);
  };
  NotingReader noting(reader);
  absl::StatusOr<blob::JoinResult> result =
      blob::Join(noting, FromCore(command.base), deltas, ordered);
  if (!result.ok()) {
    joined.missing = noting.lost();
    joined.error =
        absl::StrCat("joining the workspaces of earlier steps: ", result.status().message());
    *failure = result.status();
    return joined;
  }
  std::vector<blob::BlobUpload> uploads;
  uploads.reserve(result->new_directories.size());
  for (auto& [digest, bytes] : result->new_directories) {
    uploads.push_back({digest, std::move(bytes)});
  }
  if (absl::Status status = store.Upload(std::move(uploads)); !status.ok()) {
    joined.error = absl::StrCat("storing a joined workspace: ", status.message());
    *failure = std::move(status);
    return joined;
  }
  joined.root = {result->root.hash, result->root.size_bytes};
  for (blob::Conflict& conflict : result->conflicts) {
    joined.conflicts.push_back({std::move(conflict.earlier_step), std::move(conflict.later_step),
                                std::move(conflict.path), DeedOf(conflict.earlier_deed),
                                DeedOf(conflict.later_deed)});
  }
  return joined;
}

}  // namespace rally::controller
