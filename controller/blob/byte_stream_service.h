#ifndef RALLY_CONTROLLER_BLOB_BYTE_STREAM_SERVICE_H_
#define RALLY_CONTROLLER_BLOB_BYTE_STREAM_SERVICE_H_

#include "controller/blob/disk_store.h"
#include "controller/worker_pool.h"
#include "google/bytestream/bytestream.grpc.pb.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// Streams large blobs into and out of a DiskStore, one frame in memory a stream. An upload that
// breaks off leaves nothing and starts from the beginning next time; QueryWriteStatus is
// UNIMPLEMENTED, from which clients conclude that.
// Ownership: store and threads must outlive it, and it the server. Threads: as gRPC calls it; disk
// work happens on `threads`.
class ByteStreamService : public google::bytestream::ByteStream::CallbackService {
 public:
  ByteStreamService(DiskStore* store, controller::WorkerPool* threads)
      : store_(store), threads_(threads) {}

  grpc::ServerWriteReactor<google::bytestream::ReadResponse>* Read(
      grpc::CallbackServerContext* context,
      const google::bytestream::ReadRequest* request) override;
  grpc::ServerReadReactor<google::bytestream::WriteRequest>* Write(
      grpc::CallbackServerContext* context, google::bytestream::WriteResponse* response) override;

 private:
  DiskStore* const store_;
  controller::WorkerPool* const threads_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_BYTE_STREAM_SERVICE_H_
