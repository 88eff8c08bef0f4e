#ifndef RALLY_CONTROLLER_BLOB_DOWNLOAD_STREAM_H_
#define RALLY_CONTROLLER_BLOB_DOWNLOAD_STREAM_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "controller/blob/byte_stream_parts.h"
#include "google/bytestream/bytestream.pb.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// One ByteStream.Read. Owns itself. Frames are made one after the other on the disk threads, each
// while the one before is sent. Offset and limit count plain bytes; a compressed read takes an
// offset, but no limit.
class DownloadStream : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  DownloadStream(ByteStreamParts* parts, grpc::CallbackServerContext* context,
                 const grpc::ByteBuffer& request);

  void OnWriteDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  absl::Status Open();
  // On the disk threads; posts itself again while there is room for a frame.
  void Make();
  // The next frame; empty at the end.
  absl::Status MakeFrame(grpc::ByteBuffer* frame);
  absl::Status Compress(std::string* compressed);

  ByteStreamParts* const parts_;
  google::bytestream::ReadRequest request_;
  const std::string peer_;
  StreamCount::Place place_;
  StreamCount::Place compressed_place_;
  IdleWatch::Stream idle_;  // It's the client's turn while a frame is sent.
  const DiskStore::Check check_;
  std::unique_ptr<DiskStore::Reader> reader_;
  std::unique_ptr<ZstdEncoder> encoder_;  // Null for plain bytes.
  bool encoder_finished_ = false;
  grpc::ByteBuffer sent_;  // What gRPC has now.

  absl::Mutex mutex_;
  bool making_ ABSL_GUARDED_BY(mutex_) = true;
  bool sending_ ABSL_GUARDED_BY(mutex_) = false;
  // Made, and waits for the one before to be sent.
  grpc::ByteBuffer made_ ABSL_GUARDED_BY(mutex_);
  bool is_made_ ABSL_GUARDED_BY(mutex_) = false;
  // No more frames are made: what to end with when the last was sent.
  absl::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_DOWNLOAD_STREAM_H_
