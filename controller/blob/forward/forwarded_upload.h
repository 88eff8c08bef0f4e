#ifndef RALLY_CONTROLLER_BLOB_FORWARD_FORWARDED_UPLOAD_H_
#define RALLY_CONTROLLER_BLOB_FORWARD_FORWARDED_UPLOAD_H_

#include "absl/status/status.h"
#include "controller/blob/forward/upstream.h"
#include "google/bytestream/bytestream.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/client_callback.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// One ByteStream.Write, handed on frame by frame: the client's next one is read when the store has
// taken the last. Owns itself: the store's stream ends first, then the client's.
// Ownership: upstream, context and response outlive it.
class ForwardedUpload : public grpc::ServerReadReactor<google::bytestream::WriteRequest> {
 public:
  ForwardedUpload(Upstream* upstream, grpc::CallbackServerContext* context,
                  google::bytestream::WriteResponse* response);

  void OnReadDone(bool ok) override;
  void OnCancel() override { client_.TryCancel(); }
  void OnDone() override { delete this; }

 private:
  class Sink : public grpc::ClientWriteReactor<google::bytestream::WriteRequest> {
   public:
    explicit Sink(ForwardedUpload* owner) : owner_(owner) {}
    void OnWriteDone(bool ok) override;
    void OnDone(const grpc::Status& status) override;

   private:
    ForwardedUpload* const owner_;
  };

  void ReadFrame();
  // Begins the store's stream with the first frame.
  absl::Status Begin();
  // The store's name for what the frame names, if it names something.
  absl::Status Rename();

  Upstream* const upstream_;
  const grpc::CallbackServerContext* const context_;
  google::bytestream::WriteResponse* const response_;
  const StreamCount::Place place_;
  IdleWatch::Stream idle_;  // It's the client's turn while a frame is read from it.
  grpc::ClientContext client_;
  google::bytestream::WriteRequest frame_;  // In turn the client's and the store's.
  bool begun_ = false;
  grpc::Status refused_;  // Why we ended it, if it was us.
  Sink sink_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_FORWARD_FORWARDED_UPLOAD_H_
