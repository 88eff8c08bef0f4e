#include "common/blob/known_sizes.h"

namespace rally::blob {

std::optional<TreeSize> KnownSizes::Find(const Digest& directory) const {
  absl::MutexLock lock(&mutex_);
  const auto found = sizes_.find(BlobKey::Of(directory));
  if (found == sizes_.end()) return std::nullopt;
  return found->second;
}

void KnownSizes::Add(const absl::flat_hash_map<Digest, TreeSize>& sizes) {
  if (sizes.size() > kMaxDirectories) return;
  absl::MutexLock lock(&mutex_);
  if (sizes_.size() + sizes.size() > kMaxDirectories) sizes_.clear();
  for (const auto& [directory, size] : sizes) sizes_.try_emplace(BlobKey::Of(directory), size);
}

}  // namespace rally::blob
