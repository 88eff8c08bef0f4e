#include "controller/blob/upload_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/status.h"

namespace rally::cas {

UploadStream::UploadStream(ByteStreamParts* parts, google::bytestream::WriteResponse* response)
    : parts_(parts),
      response_(response),
      stream_(parts->next_stream++),
      place_(parts->streams.Take()) {
  if (place_) {
    StartRead(&frame_);
  } else {
    Finish(rpc::ToGrpc(TooManyStreams()));
  }
}

void UploadStream::OnReadDone(bool ok) {
  if (!ok) {
    // If the connection broke off this status reaches nobody, and OnDone keeps what came.
    return Finish(rpc::ToGrpc(absl::InvalidArgumentError(
        "the upload ended before the message that finishes it; nothing was stored")));
  }
  if (!resource_name_.empty()) {
    parts_->threads->Post([this] { Receive(); });
  } else if (!parts_->threads->TryPost([this] { Receive(); })) {
    Finish(rpc::ToGrpc(TooManyStreams()));
  }
}

void UploadStream::OnDone() {
  if (registered_ && cancelled_ && blob_->compression() == Compression::kIdentity) {
    parts_->partial_uploads.Suspend(resource_name_, stream_, std::move(blob_));
    registered_ = false;
  }
  Unregister();
  delete this;
}

void UploadStream::Receive() {
  absl::Status status = resource_name_.empty() ? Begin() : CheckSameName();
  if (!status.ok()) return Fail(status);
  if (early_end_.has_value()) return Done(*early_end_);
  if (status = AppendFrame(); !status.ok()) return Fail(status);
  if (!frame_.finish_write()) return StartRead(&frame_);
  const int64_t received_bytes = blob_->received_bytes();
  status = blob_->Commit();
  if (!status.ok()) return Fail(status);
  Unregister();
  Done(received_bytes);
}

absl::Status UploadStream::Begin() {
  absl::StatusOr<ResourceName> name = ParseWriteName(frame_.resource_name());
  if (!name.ok()) return name.status();
  absl::StatusOr<Compression> compression = CompressionOf(*name);
  if (!compression.ok()) return compression.status();
  const blob::Digest& digest = name->digest;
  if (digest.size_bytes > parts_->limits.max_blob_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("a blob may have ",
                                                   parts_->limits.max_blob_bytes,
                                                   " bytes, this one has ", digest.size_bytes));
  }
  // The empty blob is received, which is quicker than to explain an early end.
  if (digest.size_bytes > 0 && parts_->store->Contains(digest)) {
    early_end_ = *compression == Compression::kIdentity ? digest.size_bytes : -1;
    return absl::OkStatus();
  }
  if (*compression == Compression::kZstd) {
    compressed_place_ = parts_->compressed_streams.Take();
    if (!compressed_place_) return TooManyStreams();
  }
  auto earlier =
      parts_->partial_uploads.Begin(frame_.resource_name(), stream_, frame_.write_offset());
  if (!earlier.ok()) return earlier.status();
  resource_name_ = frame_.resource_name();
  registered_ = true;
  blob_ = *std::move(earlier);
  if (blob_ != nullptr) return absl::OkStatus();  // It goes on.
  auto begun = IncomingBlob::Begin(parts_->store, digest, *compression);
  if (absl::IsResourceExhausted(begun.status()) && parts_->partial_uploads.suspended() > 0) {
    // What others left half done holds the room that their whole blobs would need.
    parts_->partial_uploads.DropSuspended();
    begun = IncomingBlob::Begin(parts_->store, digest, *compression);
  }
  if (!begun.ok()) return begun.status();
  blob_ = *std::move(begun);
  return absl::OkStatus();
}

absl::Status UploadStream::CheckSameName() const {
  if (frame_.resource_name().empty() || frame_.resource_name() == resource_name_) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("the resource name changed within one upload");
}

absl::Status UploadStream::AppendFrame() {
  if (frame_.write_offset() != blob_->received_bytes()) {
    return absl::InvalidArgumentError(absl::StrCat("expected the bytes at offset ",
                                                   blob_->received_bytes(), ", not at ",
                                                   frame_.write_offset()));
  }
  absl::Status status = blob_->Append(frame_.data());
  if (status.ok()) {
    parts_->partial_uploads.Progress(resource_name_, stream_, blob_->received_bytes());
  }
  return status;
}

void UploadStream::Unregister() {
  if (registered_) parts_->partial_uploads.End(resource_name_, stream_);
  registered_ = false;
}

void UploadStream::Fail(const absl::Status& status) {
  // What came can't become the blob any more. The client's next try may be here before OnDone.
  Unregister();
  blob_.reset();
  if (absl::IsResourceExhausted(status)) parts_->partial_uploads.DropSuspended();
  Finish(rpc::ToGrpc(status));
}

void UploadStream::Done(int64_t committed_size) {
  response_->set_committed_size(committed_size);
  Finish(grpc::Status::OK);
}

}  // namespace rally::cas
