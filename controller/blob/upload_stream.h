#ifndef RALLY_CONTROLLER_BLOB_UPLOAD_STREAM_H_
#define RALLY_CONTROLLER_BLOB_UPLOAD_STREAM_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/types/optional.h"
#include "controller/blob/byte_stream_parts.h"
#include "google/bytestream/bytestream.pb.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// One ByteStream.Write. Owns itself; each of its steps runs after the one before, on the disk
// threads.
class UploadStream : public grpc::ServerReadReactor<google::bytestream::WriteRequest> {
 public:
  UploadStream(ByteStreamParts* parts, google::bytestream::WriteResponse* response);

  void OnReadDone(bool ok) override;
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override;

 private:
  void Receive();
  absl::Status Begin();
  absl::Status CheckSameName() const;
  absl::Status AppendFrame();
  void Unregister();
  void Fail(const absl::Status& status);
  void Done(int64_t committed_size);

  ByteStreamParts* const parts_;
  google::bytestream::WriteResponse* const response_;
  const int64_t stream_;
  StreamCount::Place place_;
  StreamCount::Place compressed_place_;
  google::bytestream::WriteRequest frame_;
  std::string resource_name_;  // Empty until the first frame was understood.
  bool registered_ = false;    // With the partial uploads; then there is a blob_ between frames.
  std::atomic<bool> cancelled_{false};
  // The store had the blob already: the committed size to answer with.
  absl::optional<int64_t> early_end_;
  std::unique_ptr<IncomingBlob> blob_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_UPLOAD_STREAM_H_
