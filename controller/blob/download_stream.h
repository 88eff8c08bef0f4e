#ifndef RALLY_CONTROLLER_BLOB_DOWNLOAD_STREAM_H_
#define RALLY_CONTROLLER_BLOB_DOWNLOAD_STREAM_H_

#include <memory>

#include "controller/blob/byte_stream_parts.h"
#include "google/bytestream/bytestream.pb.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// One ByteStream.Read. Owns itself; each of its steps runs after the one before, on the disk
// threads. Offset and limit count plain bytes; a compressed read takes an offset, but no limit.
class DownloadStream : public grpc::ServerWriteReactor<google::bytestream::ReadResponse> {
 public:
  DownloadStream(ByteStreamParts* parts, const google::bytestream::ReadRequest* request);

  void OnWriteDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  absl::Status Open();
  void SendNext();
  // Fills the frame; it stays empty only at the end.
  absl::Status FillFrame();
  absl::Status FillCompressedFrame();

  ByteStreamParts* const parts_;
  const google::bytestream::ReadRequest* const request_;
  StreamCount::Place place_;
  StreamCount::Place compressed_place_;
  std::unique_ptr<DiskStore::Reader> reader_;
  std::unique_ptr<ZstdEncoder> encoder_;  // Null for plain bytes.
  bool encoder_finished_ = false;
  google::bytestream::ReadResponse frame_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_DOWNLOAD_STREAM_H_
