#include "controller/blob/byte_stream_service.h"

#include "controller/blob/download_stream.h"
#include "controller/blob/run_on_disk.h"
#include "controller/blob/upload_stream.h"

namespace rally::cas {

grpc::ServerWriteReactor<grpc::ByteBuffer>* ByteStreamService::Read(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return new DownloadStream(&parts_, context, *request);
}

grpc::ServerReadReactor<grpc::ByteBuffer>* ByteStreamService::Write(
    grpc::CallbackServerContext* context, grpc::ByteBuffer* response) {
  return new UploadStream(&parts_, context, response);
}

grpc::ServerUnaryReactor* ByteStreamService::QueryWriteStatus(
    grpc::CallbackServerContext* context,
    const google::bytestream::QueryWriteStatusRequest* request,
    google::bytestream::QueryWriteStatusResponse* response) {
  return RunOnDisk(parts_.threads, context, [this, request, response]() -> absl::Status {
    absl::StatusOr<ResourceName> name = ParseWriteName(request->resource_name());
    if (!name.ok()) return name.status();
    absl::StatusOr<Compression> compression = CompressionOf(*name);
    if (!compression.ok()) return compression.status();
    response->set_complete(parts_.store->Contains(name->digest));
    if (response->complete()) {
      // How many compressed bytes another client would have sent nobody knows.
      response->set_committed_size(*compression == Compression::kIdentity ? name->digest.size_bytes
                                                                          : -1);
    } else if (*compression == Compression::kIdentity) {
      response->set_committed_size(parts_.partial_uploads.ReceivedBytes(request->resource_name()));
    }
    return absl::OkStatus();
  });
}

}  // namespace rally::cas
