#include "controller/blob_trace.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/blob/digest.h"
#include "common/blob/directory.h"

namespace rally::controller {
namespace {

using blob::Digest;

// Looks in trees for blobs that aren't found yet.
class Search {
 public:
  Search(blob::DirectoryReader& reader, const std::vector<core::Digest>& wanted) : reader_(reader) {
    for (const core::Digest& digest : wanted) wanted_.insert({digest.hash, digest.size_bytes});
  }

  // Takes what is in `after` and not in the same place of `before`; without `before` all of it.
  std::vector<core::Digest> Take(const Digest* before, const Digest& after) {
    found_.clear();
    visited_.clear();
    if (before == nullptr || *before != after) {
      Check(after);
      Descend(before, after);
    }
    return std::exchange(found_, {});
  }

  bool done() const { return wanted_.empty(); }
  const absl::btree_set<Digest>& left() const { return wanted_; }

 private:
  void Check(const Digest& digest) {
    if (wanted_.erase(digest) != 0) found_.push_back({digest.hash, digest.size_bytes});
  }

  // As deep as trees may be: that is bounded where they are made.
  void Descend(const Digest* before, const Digest& after) {
    // With the same counterpart, too: a directory may be in a tree any number of times.
    if (!visited_.emplace(before == nullptr ? Digest() : *before, after).second) return;
    const auto directory = reader_.Read(after);
    if (!directory.ok()) return;
    absl::flat_hash_map<std::string, Digest> files;
    absl::flat_hash_map<std::string, Digest> directories;
    if (before != nullptr) {
      if (const auto old = reader_.Read(*before); old.ok()) {
        for (const auto& node : (*old)->files()) files[node.name()] = blob::DigestOfNode(node);
        for (const auto& node : (*old)->directories()) {
          directories[node.name()] = blob::DigestOfNode(node);
        }
      }
    }
    for (const auto& node : (*directory)->files()) {
      const Digest digest = blob::DigestOfNode(node);
      const auto counterpart = files.find(node.name());
      if (counterpart == files.end() || counterpart->second != digest) Check(digest);
    }
    for (const auto& node : (*directory)->directories()) {
      const Digest digest = blob::DigestOfNode(node);
      const auto counterpart = directories.find(node.name());
      if (counterpart != directories.end() && counterpart->second == digest) continue;
      Check(digest);
      Descend(counterpart == directories.end() ? nullptr : &counterpart->second, digest);
    }
  }

  blob::DirectoryReader& reader_;
  absl::btree_set<Digest> wanted_;
  std::vector<core::Digest> found_;
  absl::flat_hash_set<std::pair<Digest, Digest>> visited_;
};

Digest FromCore(const core::Digest& digest) { return {digest.hash, digest.size_bytes}; }

}  // namespace

core::BlobsTraced TraceInTrees(const core::TraceBlobs& command, blob::DirectoryReader& reader) {
  core::BlobsTraced traced;
  traced.build_id = command.build_id;
  traced.step = command.step;
  Search search(reader, command.blobs);
  traced.in_context = search.Take(nullptr, FromCore(command.context));
  for (const core::StepTrees& step : command.steps) {
    if (search.done()) break;
    const Digest input = FromCore(step.input);
    for (core::Digest& blob : search.Take(&input, FromCore(step.output))) {
      traced.made.push_back({step.step, std::move(blob)});
    }
  }
  for (const Digest& blob : search.left()) traced.unknown.push_back({blob.hash, blob.size_bytes});
  return traced;
}

}  // namespace rally::controller
