#ifndef RALLY_CONTROLLER_BLOB_CAS_SERVICE_H_
#define RALLY_CONTROLLER_BLOB_CAS_SERVICE_H_

#include <cstdint>

#include "build/bazel/remote/execution/v2/remote_execution.grpc.pb.h"
#include "controller/blob/disk_store.h"
#include "controller/worker_pool.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// The unary calls of the Remote Execution API's CAS over a DiskStore. Every instance name sees the
// same blobs. GetTree, SplitBlob and SpliceBlob are UNIMPLEMENTED.
// Ownership: store and threads must outlive it, and it the server. Threads: as gRPC calls it; disk
// work happens on `threads`, and when these have too much of it calls end as UNAVAILABLE.
class CasService
    : public build::bazel::remote::execution::v2::ContentAddressableStorage::CallbackService {
 public:
  // What a batch's blobs may have together. A server that registers this service has to accept
  // messages of kMaxMessageBytes, since the digests come on top.
  static constexpr int64_t kMaxBatchBytes = 4 * 1024 * 1024 - 64 * 1024;
  static constexpr int kMaxMessageBytes = 16 * 1024 * 1024;

  CasService(DiskStore* store, controller::WorkerPool* threads)
      : store_(store), threads_(threads) {}

  grpc::ServerUnaryReactor* FindMissingBlobs(
      grpc::CallbackServerContext* context,
      const build::bazel::remote::execution::v2::FindMissingBlobsRequest* request,
      build::bazel::remote::execution::v2::FindMissingBlobsResponse* response) override;
  grpc::ServerUnaryReactor* BatchUpdateBlobs(
      grpc::CallbackServerContext* context,
      const build::bazel::remote::execution::v2::BatchUpdateBlobsRequest* request,
      build::bazel::remote::execution::v2::BatchUpdateBlobsResponse* response) override;
  grpc::ServerUnaryReactor* BatchReadBlobs(
      grpc::CallbackServerContext* context,
      const build::bazel::remote::execution::v2::BatchReadBlobsRequest* request,
      build::bazel::remote::execution::v2::BatchReadBlobsResponse* response) override;

 private:
  DiskStore* const store_;
  controller::WorkerPool* const threads_;
};

// Says what the CAS can do, which clients ask before anything else.
// Threads: thread-safe. Blocking: never.
class CapabilitiesService
    : public build::bazel::remote::execution::v2::Capabilities::CallbackService {
 public:
  // Whether clients may write to an ActionCache on the same server.
  explicit CapabilitiesService(bool action_cache_writable)
      : action_cache_writable_(action_cache_writable) {}

  grpc::ServerUnaryReactor* GetCapabilities(
      grpc::CallbackServerContext* context,
      const build::bazel::remote::execution::v2::GetCapabilitiesRequest* request,
      build::bazel::remote::execution::v2::ServerCapabilities* response) override;

 private:
  const bool action_cache_writable_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_CAS_SERVICE_H_
