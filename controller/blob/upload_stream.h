#ifndef RALLY_CONTROLLER_BLOB_UPLOAD_STREAM_H_
#define RALLY_CONTROLLER_BLOB_UPLOAD_STREAM_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "common/blob/stream_frame.h"
#include "controller/blob/byte_stream_parts.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// One ByteStream.Write. Owns itself. Frames are taken in one after the other on the disk threads,
// each while the one after is received.
class UploadStream : public grpc::ServerReadReactor<grpc::ByteBuffer> {
 public:
  UploadStream(ByteStreamParts* parts, grpc::CallbackServerContext* context,
               grpc::ByteBuffer* response);

  void OnReadDone(bool ok) override;
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override;

 private:
  // On the disk threads, while there is a frame or the end.
  void Receive();
  // One frame. False when it was the last, and answered.
  bool TakeIn(grpc::ByteBuffer* message);
  absl::Status Begin();
  absl::Status CheckSameName() const;
  absl::Status AppendFrame();
  void Unregister();
  // Both answer, and return false.
  bool Fail(const absl::Status& status);
  bool Done(int64_t committed_size);
  // Nothing of this may be touched after it.
  void Answer(const grpc::Status& status);

  ByteStreamParts* const parts_;
  grpc::ByteBuffer* const response_;
  const int64_t stream_;
  const std::string peer_;
  StreamCount::Place place_;
  StreamCount::Place compressed_place_;
  IdleWatch::Stream idle_;  // It's the client's turn while nothing works.
  blob::StreamFrame frame_;
  std::string resource_name_;  // Empty until the first frame was understood.
  bool registered_ = false;    // With the partial uploads; then there is a blob_ between frames.
  std::atomic<bool> cancelled_{false};
  // The store had the blob already: the committed size to answer with.
  absl::optional<int64_t> early_end_;
  std::unique_ptr<IncomingBlob> blob_;

  absl::Mutex mutex_;
  // What gRPC receives into, and whether a whole frame is in it.
  grpc::ByteBuffer arriving_;
  bool arrived_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;     // No more come.
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;     // A disk thread took it on.
  bool working_ ABSL_GUARDED_BY(mutex_) = false;   // Receive runs, or will.
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;  // The answer was given.
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_UPLOAD_STREAM_H_
