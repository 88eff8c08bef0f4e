#ifndef RALLY_CONTROLLER_BLOB_BLOB_BACKEND_H_
#define RALLY_CONTROLLER_BLOB_BLOB_BACKEND_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/blob/blob_store.h"
#include "common/blob/digest.h"
#include "controller/blob/blob_key.h"
#include "controller/blob/directory_outlines.h"
#include "grpcpp/server_builder.h"

namespace rally::cas {

// Where a controller's blobs are: on its own disk, or in a store elsewhere. It knows no builds.
//
// Ownership: must outlive the server that it added services to, which is shut down first.
// Threads: thread-safe. Blocking: Sync, FindMissingInTree, and what store() and outlines()
// do.
class BlobBackend {
 public:
  virtual ~BlobBackend() = default;

  virtual blob::BlobStore& store() = 0;
  virtual DirectoryOutlines& outlines() = 0;

  // As blob::FindMissingInTree.
  virtual absl::StatusOr<std::vector<blob::Digest>> FindMissingInTree(const blob::Digest& root) = 0;

  // The services by which everybody else reaches the blobs.
  virtual void AddTo(grpc::ServerBuilder* builder) = 0;

  // Whether all that was stored by now survives a crash, and making it so.
  virtual bool IsSynced() const = 0;
  virtual absl::Status Sync() = 0;

  // What is pinned stays, as far as that can be promised here. Nothing goes before AllowEviction.
  virtual void Pin(absl::Span<const BlobKey> blobs) = 0;
  virtual void Unpin(absl::Span<const BlobKey> blobs) = 0;
  virtual void AllowEviction() = 0;

  // How often to ask for what is pinned, where a pin means nothing but being asked for makes blobs
  // stay longer. Infinite: never.
  virtual absl::Duration touch_interval() const = 0;

 protected:
  BlobBackend() = default;
  BlobBackend(const BlobBackend&) = delete;
  BlobBackend& operator=(const BlobBackend&) = delete;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_BLOB_BACKEND_H_
