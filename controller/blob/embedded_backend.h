#ifndef RALLY_CONTROLLER_BLOB_EMBEDDED_BACKEND_H_
#define RALLY_CONTROLLER_BLOB_EMBEDDED_BACKEND_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/blob/action_cache_store.h"
#include "controller/blob/blob_backend.h"
#include "controller/blob/blob_services.h"
#include "controller/blob/disk_store.h"
#include "controller/blob/local_blob_store.h"
#include "controller/blob/stored_trees.h"

namespace rally::cas {

// Blobs, and results of actions, in the controller's data folder. Pins hold.
class EmbeddedBackend : public BlobBackend {
 public:
  // Below `folder`, which this process alone uses.
  static absl::StatusOr<std::unique_ptr<EmbeddedBackend>> Open(const std::string& folder,
                                                               DiskStoreOptions options);

  blob::BlobStore& store() override { return local_; }
  DirectoryOutlines& outlines() override { return outlines_; }
  absl::StatusOr<std::vector<blob::Digest>> FindMissingInTree(const blob::Digest& root) override {
    return trees_.FindMissing(root);
  }
  void AddTo(grpc::ServerBuilder* builder) override { services_.AddTo(builder); }
  bool IsSynced() const override { return disk_->IsSynced(); }
  absl::Status Sync() override { return disk_->Sync(); }
  void Pin(absl::Span<const BlobKey> blobs) override { disk_->Pin(blobs); }
  void Unpin(absl::Span<const BlobKey> blobs) override { disk_->Unpin(blobs); }
  void AllowEviction() override { disk_->AllowEviction(); }
  absl::Duration touch_interval() const override { return absl::InfiniteDuration(); }

 private:
  EmbeddedBackend(std::unique_ptr<DiskStore> disk, std::unique_ptr<ActionCacheStore> results)
      : disk_(std::move(disk)),
        results_(std::move(results)),
        local_(disk_.get()),
        outlines_(&local_),
        trees_(disk_.get(), &outlines_),
        services_(disk_.get(), results_.get()) {}

  const std::unique_ptr<DiskStore> disk_;
  const std::unique_ptr<ActionCacheStore> results_;
  LocalBlobStore local_;
  DirectoryOutlines outlines_;
  StoredTrees trees_;
  BlobServices services_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_EMBEDDED_BACKEND_H_
