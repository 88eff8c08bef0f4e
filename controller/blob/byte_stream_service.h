#ifndef RALLY_CONTROLLER_BLOB_BYTE_STREAM_SERVICE_H_
#define RALLY_CONTROLLER_BLOB_BYTE_STREAM_SERVICE_H_

#include "controller/blob/byte_stream_parts.h"
#include "controller/blob/disk_store.h"
#include "controller/worker_pool.h"
#include "google/bytestream/bytestream.grpc.pb.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// Which of the methods gRPC gives as messages, and which as bytes.
using ByteStreamMethods = google::bytestream::ByteStream::WithRawCallbackMethod_Read<
    google::bytestream::ByteStream::WithRawCallbackMethod_Write<
        google::bytestream::ByteStream::WithCallbackMethod_QueryWriteStatus<
            google::bytestream::ByteStream::Service>>>;

// Streams blobs into and out of a DiskStore, plain or compressed by zstd, two frames in memory a
// stream: one that is worked on, and one that is sent or received meanwhile. Frames are bytes for
// gRPC, not messages, which would copy the blobs. A plain upload whose connection breaks off can go
// on where it stopped for some minutes, if this process lives; QueryWriteStatus says where that is.
// Of what was never begun, and of compressed uploads, it says 0 bytes, since clients give up on
// NOT_FOUND but begin anew on 0. Ownership: store and threads must outlive it, and it the server.
// Threads: as gRPC calls it; disk work happens on `threads`.
class ByteStreamService : public ByteStreamMethods {
 public:
  ByteStreamService(DiskStore* store, controller::WorkerPool* threads,
                    const ByteStreamLimits& limits)
      : parts_(store, threads, limits) {}

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Read(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* request) override;
  grpc::ServerReadReactor<grpc::ByteBuffer>* Write(grpc::CallbackServerContext* context,
                                                   grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* QueryWriteStatus(
      grpc::CallbackServerContext* context,
      const google::bytestream::QueryWriteStatusRequest* request,
      google::bytestream::QueryWriteStatusResponse* response) override;

 private:
  ByteStreamParts parts_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_BYTE_STREAM_SERVICE_H_
