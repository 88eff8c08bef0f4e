#ifndef RALLY_CONTROLLER_BLOB_ACTION_CACHE_SERVICE_H_
#define RALLY_CONTROLLER_BLOB_ACTION_CACHE_SERVICE_H_

#include <cstdint>

#include "build/bazel/remote/execution/v2/remote_execution.grpc.pb.h"
#include "controller/blob/action_cache.h"
#include "controller/worker_pool.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// gRPC gives both as bytes, which are looked at before they are parsed.
using ActionCacheMethods =
    build::bazel::remote::execution::v2::ActionCache::WithRawCallbackMethod_GetActionResult<
        build::bazel::remote::execution::v2::ActionCache::WithRawCallbackMethod_UpdateActionResult<
            build::bazel::remote::execution::v2::ActionCache::Service>>;

// The Remote Execution API's ActionCache: clients read every instance's results, and write those of
// all instances but the one that is kept for the results of steps.
// Ownership: cache and threads must outlive it, and it the server. Threads: as gRPC calls it; disk
// work happens on `threads`, and when these have too much of it calls end as UNAVAILABLE.
class ActionCacheService : public ActionCacheMethods {
 public:
  // Of stdout, stderr and files together, when a client asks to have them within the result.
  static constexpr int64_t kMaxInlineBytes = 512 * 1024;

  ActionCacheService(cas::ActionCache* cache, DiskStore* blobs, controller::WorkerPool* threads)
      : cache_(cache), blobs_(blobs), threads_(threads) {}

  grpc::ServerUnaryReactor* GetActionResult(grpc::CallbackServerContext* context,
                                            const grpc::ByteBuffer* request,
                                            grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* UpdateActionResult(grpc::CallbackServerContext* context,
                                               const grpc::ByteBuffer* request,
                                               grpc::ByteBuffer* response) override;

 private:
  cas::ActionCache* const cache_;
  DiskStore* const blobs_;
  controller::WorkerPool* const threads_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_ACTION_CACHE_SERVICE_H_
