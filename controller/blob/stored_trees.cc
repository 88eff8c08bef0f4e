#include "controller/blob/stored_trees.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "common/blob/run_in_parallel.h"
#include "common/blob/tree_expansion.h"

namespace rally::cas {
namespace {

using blob::Digest;

// One submission may take that many, so that a large tree doesn't keep its client waiting.
constexpr int kThreads = 2;
constexpr size_t kDirectoriesPerPart = 64;

absl::Status CheckSize(const Digest& root, const blob::TreeLimits& limits,
                       const StoredTrees::Outlines& outlines) {
  const auto own_size = [&outlines](const BlobKey& key) {
    const auto found = outlines.find(key);
    if (found == outlines.end()) return blob::OwnSize<BlobKey>();
    const DirectoryOutline& outline = *found->second;
    return blob::OwnSize<BlobKey>{outline.entries, outline.file_bytes, outline.directories};
  };
  blob::TreeExpansion<BlobKey, decltype(own_size)> expansion(root, limits, own_size);
  return expansion.Measure(BlobKey::Of(root)).status();
}

}  // namespace

void StoredTrees::FindMissingFiles(const Outlines& outlines, std::vector<BlobKey>* missing) const {
  std::vector<const DirectoryOutline*> directories;
  directories.reserve(outlines.size());
  for (const auto& [key, outline] : outlines) directories.push_back(outline.get());
  const size_t parts = (directories.size() + kDirectoriesPerPart - 1) / kDirectoriesPerPart;
  absl::Mutex mutex;
  blob::RunInParallel(parts, kThreads, [&](size_t part) {
    const size_t begin = part * kDirectoriesPerPart;
    const size_t end = std::min(directories.size(), begin + kDirectoriesPerPart);
    DiskStore::Finder finder(store_);
    for (size_t i = begin; i < end; ++i) {
      for (const BlobKey& file : directories[i]->files) {
        if (finder.Contains(file)) continue;
        absl::MutexLock lock(&mutex);
        missing->push_back(file);
      }
    }
    return absl::OkStatus();
  }).IgnoreError();  // there is none
}

absl::StatusOr<std::vector<Digest>> StoredTrees::FindMissing(const Digest& root,
                                                             const blob::TreeLimits& limits) const {
  Outlines outlines;
  std::vector<BlobKey> missing;
  std::vector<BlobKey> level = {BlobKey::Of(root)};
  absl::flat_hash_set<BlobKey> seen(level.begin(), level.end());
  int64_t entries = 0;
  DiskStore::Finder finder(store_);
  for (int depth = 0; !level.empty(); ++depth) {
    if (depth > limits.max_depth) return blob::TreeTooLarge(root, "levels", limits.max_depth);
    std::vector<BlobKey> next;
    for (const BlobKey& key : level) {
      if (!finder.Contains(key)) {
        missing.push_back(key);
        continue;
      }
      auto outline = outlines_->Read(key);
      if (absl::IsNotFound(outline.status()) || absl::IsDataLoss(outline.status())) {
        missing.push_back(key);  // It was found damaged just now.
        continue;
      }
      if (!outline.ok()) return outline.status();
      entries += (*outline)->entries;
      if (entries > limits.max_entries) {
        return blob::TreeTooLarge(root, "entries", limits.max_entries);
      }
      for (const BlobKey& child : (*outline)->directories) {
        if (seen.insert(child).second) next.push_back(child);
      }
      outlines.emplace(key, *std::move(outline));
    }
    level = std::move(next);
  }
  if (absl::Status fits = CheckSize(root, limits, outlines); !fits.ok()) return fits;
  FindMissingFiles(outlines, &missing);
  std::sort(missing.begin(), missing.end());
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  std::vector<Digest> digests;
  digests.reserve(missing.size());
  for (const BlobKey& key : missing) digests.push_back(key.ToDigest());
  return digests;
}

}  // namespace rally::cas
