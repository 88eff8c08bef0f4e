#ifndef RALLY_CONTROLLER_BLOB_TREE_STREAM_H_
#define RALLY_CONTROLLER_BLOB_TREE_STREAM_H_

#include "build/bazel/remote/execution/v2/remote_execution.pb.h"
#include "controller/blob/idle_watch.h"
#include "controller/blob/stream_count.h"
#include "controller/blob/tree_pages.h"
#include "controller/worker_pool.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// One GetTree: all pages of a tree, one in memory at a time. Owns itself; each of its steps runs
// after the one before, on the disk threads.
// Ownership: the others must outlive it.
class TreeStream
    : public grpc::ServerWriteReactor<build::bazel::remote::execution::v2::GetTreeResponse> {
 public:
  TreeStream(DiskStore* store, controller::WorkerPool* threads, StreamCount* streams,
             IdleWatch* idle_watch, grpc::CallbackServerContext* context,
             const build::bazel::remote::execution::v2::GetTreeRequest* request);

  void OnWriteDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  absl::Status Begin();
  void SendNext();

  controller::WorkerPool* const threads_;
  const build::bazel::remote::execution::v2::GetTreeRequest* const request_;
  const StreamCount::Place place_;
  IdleWatch::Stream idle_;  // It's the client's turn while a page is sent.
  TreePages pages_;
  build::bazel::remote::execution::v2::GetTreeResponse page_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_TREE_STREAM_H_
