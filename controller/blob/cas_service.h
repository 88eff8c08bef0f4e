#ifndef RALLY_CONTROLLER_BLOB_CAS_SERVICE_H_
#define RALLY_CONTROLLER_BLOB_CAS_SERVICE_H_

#include <cstdint>

#include "build/bazel/remote/execution/v2/remote_execution.grpc.pb.h"
#include "controller/blob/disk_store.h"
#include "controller/blob/idle_watch.h"
#include "controller/blob/stream_count.h"
#include "controller/worker_pool.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// Which of the methods gRPC gives as messages, and which as bytes.
using ContentAddressableStorage = build::bazel::remote::execution::v2::ContentAddressableStorage;
using CasServiceMethods = ContentAddressableStorage::WithRawCallbackMethod_FindMissingBlobs<
    ContentAddressableStorage::WithRawCallbackMethod_BatchUpdateBlobs<
        ContentAddressableStorage::WithRawCallbackMethod_BatchReadBlobs<
            ContentAddressableStorage::WithCallbackMethod_GetTree<
                ContentAddressableStorage::Service>>>>;

// The Remote Execution API's CAS over a DiskStore, plain and compressed by zstd. Every instance
// name sees the same blobs. SplitBlob and SpliceBlob are UNIMPLEMENTED. Ownership: store and
// threads must outlive it, and it the server. Threads: as gRPC calls it; disk work happens on
// `threads`, and when these have too much of it calls end as UNAVAILABLE.
//
// Messages with blobs in them come from gRPC and go to it as bytes: protobuf would copy the blobs.
// Other large requests come so too, to be looked at before they are parsed.
class CasService : public CasServiceMethods {
 public:
  // What a batch's blobs may have together. A server that registers this service has to accept
  // messages of kMaxMessageBytes, since the digests come on top.
  static constexpr int64_t kMaxBatchBytes = 4 * 1024 * 1024 - 64 * 1024;
  // Each has an answer of its own. More digests alone take more bytes than a batch should.
  static constexpr int kMaxBatchBlobs = 64 * 1024;
  static constexpr int kMaxMessageBytes = 16 * 1024 * 1024;

  CasService(DiskStore* store, controller::WorkerPool* threads, const IdleLimits& idle)
      : store_(store), threads_(threads), trees_(kMaxTrees), idle_watch_(idle, {&trees_}) {}

  grpc::ServerUnaryReactor* FindMissingBlobs(grpc::CallbackServerContext* context,
                                             const grpc::ByteBuffer* request,
                                             grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* BatchUpdateBlobs(grpc::CallbackServerContext* context,
                                             const grpc::ByteBuffer* request,
                                             grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* BatchReadBlobs(grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<build::bazel::remote::execution::v2::GetTreeResponse>* GetTree(
      grpc::CallbackServerContext* context,
      const build::bazel::remote::execution::v2::GetTreeRequest* request) override;

 private:
  // Each remembers the digests of its directories.
  static constexpr int kMaxTrees = 64;

  DiskStore* const store_;
  controller::WorkerPool* const threads_;
  StreamCount trees_;
  IdleWatch idle_watch_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_CAS_SERVICE_H_
