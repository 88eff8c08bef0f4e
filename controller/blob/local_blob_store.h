#ifndef RALLY_CONTROLLER_BLOB_LOCAL_BLOB_STORE_H_
#define RALLY_CONTROLLER_BLOB_LOCAL_BLOB_STORE_H_

#include <string>
#include <vector>

#include "common/blob/blob_store.h"
#include "controller/blob/disk_store.h"

namespace rally::cas {

// A DiskStore as the BlobStore that the rest of Rally knows, for use in the store's own process.
// It does not sync: whoever acknowledges something calls DiskStore::Sync before.
// Ownership: the disk store must outlive it. Threads: thread-safe. Blocking: on the disk.
class LocalBlobStore : public blob::BlobStore {
 public:
  explicit LocalBlobStore(DiskStore* disk) : disk_(disk) {}

  absl::StatusOr<std::vector<blob::Digest>> FindMissing(
      absl::Span<const blob::Digest> digests) override;
  absl::Status Upload(std::vector<blob::BlobUpload> uploads) override;
  absl::StatusOr<std::vector<std::string>> Read(absl::Span<const blob::Digest> digests) override;
  absl::Status ReadToFile(const blob::Digest& digest, int fd) override;

 private:
  DiskStore* const disk_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_LOCAL_BLOB_STORE_H_
