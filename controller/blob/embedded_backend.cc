#include "controller/blob/embedded_backend.h"

#include <utility>

namespace rally::cas {

absl::StatusOr<std::unique_ptr<EmbeddedBackend>> EmbeddedBackend::Open(const std::string& folder,
                                                                       DiskStoreOptions options) {
  auto disk = DiskStore::Open(folder + "/blobs", std::move(options));
  if (!disk.ok()) return disk.status();
  auto results = ActionCacheStore::Open(folder + "/action-cache.db", ActionCacheStore::Options());
  if (!results.ok()) return results.status();
  return std::unique_ptr<EmbeddedBackend>(
      new EmbeddedBackend(*std::move(disk), *std::move(results)));
}

}  // namespace rally::cas
