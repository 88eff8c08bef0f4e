#include "common/blob/blob_store.h"

namespace rally::blob {

BlobStore::~BlobStore() = default;

absl::Status BlobStore::ReadEach(absl::Span<const Digest> digests, const Take& take) {
  absl::StatusOr<std::vector<std::string>> blobs = Read(digests);
  if (!blobs.ok()) return blobs.status();
  for (size_t i = 0; i < blobs->size(); ++i) {
    const absl::string_view bytes = (*blobs)[i];
    take(i, absl::MakeConstSpan(&bytes, 1));
  }
  return absl::OkStatus();
}

}  // namespace rally::blob
