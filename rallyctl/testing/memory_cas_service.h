#ifndef RALLY_RALLYCTL_TESTING_MEMORY_CAS_SERVICE_H_
#define RALLY_RALLYCTL_TESTING_MEMORY_CAS_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include "build/bazel/remote/execution/v2/remote_execution.grpc.pb.h"
#include "common/blob/memory_blob_store.h"

namespace rally::rallyctl {

// A store's blobs by the Remote Execution API, for blobs small enough to come in batches.
// Ownership: owns the store. Threads: thread-safe.
class MemoryCasService final
    : public build::bazel::remote::execution::v2::ContentAddressableStorage::Service {
 public:
  blob::MemoryBlobStore& store() { return store_; }

  grpc::Status FindMissingBlobs(
      grpc::ServerContext* context,
      const build::bazel::remote::execution::v2::FindMissingBlobsRequest* request,
      build::bazel::remote::execution::v2::FindMissingBlobsResponse* response) override;
  grpc::Status BatchUpdateBlobs(
      grpc::ServerContext* context,
      const build::bazel::remote::execution::v2::BatchUpdateBlobsRequest* request,
      build::bazel::remote::execution::v2::BatchUpdateBlobsResponse* response) override;
  grpc::Status BatchReadBlobs(
      grpc::ServerContext* context,
      const build::bazel::remote::execution::v2::BatchReadBlobsRequest* request,
      build::bazel::remote::execution::v2::BatchReadBlobsResponse* response) override;

 private:
  blob::MemoryBlobStore store_;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_TESTING_MEMORY_CAS_SERVICE_H_
