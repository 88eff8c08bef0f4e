#include "controller/blob/upload_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/status.h"
#include "google/bytestream/bytestream.pb.h"
#include "grpcpp/impl/codegen/proto_utils.h"

namespace rally::cas {

UploadStream::UploadStream(ByteStreamParts* parts, grpc::CallbackServerContext* context,
                           grpc::ByteBuffer* response)
    : parts_(parts),
      response_(response),
      stream_(parts->next_stream++),
      peer_(PeerOf(context->peer())),
      place_(parts->streams.Take(peer_)),
      idle_(&parts->idle_watch, context) {
  if (place_) {
    idle_.ClientsTurn();
    StartRead(&arriving_);
  } else {
    Answer(rpc::ToGrpc(TooManyStreams()));
  }
}

void UploadStream::OnReadDone(bool ok) {
  bool first;
  {
    absl::MutexLock lock(&mutex_);
    if (finished_) return;
    (ok ? arrived_ : ended_) = true;
    if (working_) return;
    working_ = true;
    idle_.ServersTurn();
    first = !begun_;
    begun_ = true;
  }
  if (!first) {
    parts_->threads->Post([this] { Receive(); });
  } else if (!parts_->threads->TryPost([this] { Receive(); })) {
    Answer(rpc::ToGrpc(TooManyStreams()));
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
  grpc::ByteBuffer message;
  bool is_frame;
  {
    absl::MutexLock lock(&mutex_);
    is_frame = arrived_;
    arrived_ = false;
    if (is_frame) message.Swap(&arriving_);
  }
  if (!is_frame) {
    // If the connection broke off this status reaches nobody, and OnDone keeps what came.
    return Answer(rpc::ToGrpc(absl::InvalidArgumentError(
        "the upload ended before the message that finishes it; nothing was stored")));
  }
  if (!TakeIn(&message)) return;
  {
    absl::MutexLock lock(&mutex_);
    working_ = arrived_ || ended_;
    if (!working_) {
      // Within the lock, so that what comes next ends it.
      idle_.ClientsTurn();
      return;
    }
  }
  // Not at once: others wait for the thread as well.
  parts_->threads->Post([this] { Receive(); });
}

bool UploadStream::TakeIn(grpc::ByteBuffer* message) {
  absl::Status status = frame_.Parse(message);
  if (status.ok()) status = resource_name_.empty() ? Begin() : CheckSameName();
  if (!status.ok()) return Fail(status);
  if (early_end_.has_value()) return Done(*early_end_);
  if (!frame_.finish_write()) StartRead(&arriving_);
  if (status = AppendFrame(); !status.ok()) return Fail(status);
  if (!frame_.finish_write()) return true;
  const int64_t received_bytes = blob_->received_bytes();
  if (status = blob_->Commit(); !status.ok()) return Fail(status);
  Unregister();
  return Done(received_bytes);
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
    compressed_place_ = parts_->compressed_streams.Take(peer_);
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
  absl::Status status = blob_->Append(frame_.pieces(), parts_->threads);
  if (!status.ok()) return status;
  parts_->partial_uploads.Progress(resource_name_, stream_, blob_->received_bytes());
  return absl::OkStatus();
}

void UploadStream::Unregister() {
  if (registered_) parts_->partial_uploads.End(resource_name_, stream_);
  registered_ = false;
}

bool UploadStream::Fail(const absl::Status& status) {
  // What came can't become the blob any more. The client's next try may be here before OnDone.
  Unregister();
  blob_.reset();
  if (absl::IsResourceExhausted(status)) parts_->partial_uploads.DropSuspended();
  Answer(rpc::ToGrpc(status));
  return false;
}

bool UploadStream::Done(int64_t committed_size) {
  google::bytestream::WriteResponse response;
  response.set_committed_size(committed_size);
  bool own_buffer;
  Answer(grpc::SerializationTraits<google::bytestream::WriteResponse>::Serialize(
      response, response_, &own_buffer));
  return false;
}

void UploadStream::Answer(const grpc::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    finished_ = true;
  }
  Finish(status);
}

}  // namespace rally::cas
