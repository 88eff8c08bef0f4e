#include "controller/blob/download_stream.h"

#include <utility>

#include "common/blob/batch_message.h"
#include "common/blob/stream_frame.h"
#include "common/rpc/status.h"
#include "controller/blob/check_of.h"
#include "grpcpp/impl/codegen/proto_utils.h"

namespace rally::cas {
namespace {

using blob::BatchMessage;
using blob::kStreamFrameBytes;

constexpr int kDataField = google::bytestream::ReadResponse::kDataFieldNumber;

bool Parse(grpc::ByteBuffer bytes, google::bytestream::ReadRequest* request) {
  return grpc::SerializationTraits<google::bytestream::ReadRequest>::Deserialize(&bytes, request)
      .ok();
}

}  // namespace

DownloadStream::DownloadStream(ByteStreamParts* parts, grpc::CallbackServerContext* context,
                               const grpc::ByteBuffer& request)
    : parts_(parts),
      peer_(PeerOf(context->peer())),
      place_(parts->streams.Take(peer_)),
      idle_(&parts->idle_watch, context),
      check_(CheckOf(*context)) {
  if (!Parse(request, &request_)) {
    Finish(rpc::ToGrpc(absl::InvalidArgumentError("the request is no ReadRequest message")));
    return;
  }
  const bool taken = place_ && parts_->threads->TryPost([this] {
    absl::Status status = Open();
    if (!status.ok()) return Finish(rpc::ToGrpc(status));
    Make();
  });
  if (!taken) Finish(rpc::ToGrpc(TooManyStreams()));
}

absl::Status DownloadStream::Open() {
  absl::StatusOr<ResourceName> name = ParseReadName(request_.resource_name());
  if (!name.ok()) return name.status();
  absl::StatusOr<Compression> compression = CompressionOf(*name);
  if (!compression.ok()) return compression.status();
  if (*compression == Compression::kZstd) {
    if (request_.read_limit() != 0) {
      return absl::InvalidArgumentError("a compressed read can't have a limit");
    }
    compressed_place_ = parts_->compressed_streams.Take(peer_);
    if (!compressed_place_) return TooManyStreams();
    encoder_ = std::make_unique<ZstdEncoder>();
  }
  auto reader =
      parts_->store->NewReader(name->digest, request_.read_offset(), request_.read_limit(), check_);
  if (!reader.ok()) return reader.status();
  reader_ = *std::move(reader);
  return absl::OkStatus();
}

void DownloadStream::Make() {
  grpc::ByteBuffer frame;
  const absl::Status status = MakeFrame(&frame);
  const bool is_last = !status.ok() || frame.Length() == 0;
  bool send = false;
  absl::optional<grpc::Status> finish;
  {
    absl::MutexLock lock(&mutex_);
    if (is_last && !end_.has_value()) end_ = rpc::ToGrpc(status);
    if (end_.has_value()) {
      making_ = false;
      if (!sending_) finish = end_;
    } else if (sending_) {
      made_.Swap(&frame);
      is_made_ = true;
      making_ = false;
    } else {
      sent_.Swap(&frame);
      sending_ = send = true;
      idle_.ClientsTurn();
    }
  }
  // Nothing of this is touched after Finish, nor after a frame was left to OnWriteDone.
  if (finish.has_value()) return Finish(*finish);
  if (!send) return;
  // In this order, as this thread may do the sending.
  parts_->threads->Post([this] { Make(); });
  StartWrite(&sent_);
}

void DownloadStream::OnWriteDone(bool ok) {
  bool send = false;
  absl::optional<grpc::Status> finish;
  {
    absl::MutexLock lock(&mutex_);
    sending_ = false;
    idle_.ServersTurn();
    if (!ok) end_ = grpc::Status::CANCELLED;
    if (ok && is_made_) {
      sent_.Swap(&made_);
      is_made_ = false;
      sending_ = making_ = send = true;
      idle_.ClientsTurn();
    } else if (end_.has_value() && !making_) {
      finish = end_;
    }
  }
  if (finish.has_value()) return Finish(*finish);
  if (!send) return;
  // In this order, as this thread may do the sending.
  parts_->threads->Post([this] { Make(); });
  StartWrite(&sent_);
}

absl::Status DownloadStream::MakeFrame(grpc::ByteBuffer* frame) {
  BatchMessage message;
  if (encoder_ == nullptr) {
    absl::Status status = reader_
                              ->Read(kStreamFrameBytes,
                                     [&](size_t bytes) {
                                       message.BeginField(kDataField, bytes);
                                       return message.Extend(bytes);
                                     })
                              .status();
    if (!status.ok()) return status;
  } else {
    std::string compressed;
    if (absl::Status status = Compress(&compressed); !status.ok()) return status;
    if (!compressed.empty()) message.AppendField(kDataField, compressed);
  }
  *frame = message.Take();
  return absl::OkStatus();
}

absl::Status DownloadStream::Compress(std::string* compressed) {
  std::string piece;
  // zstd takes in a lot before it hands something out.
  while (compressed->empty() && !encoder_finished_) {
    if (absl::Status status = reader_->Read(kStreamFrameBytes, &piece); !status.ok()) {
      return status;
    }
    encoder_finished_ = piece.empty();
    absl::Status status =
        encoder_finished_ ? encoder_->Finish(compressed) : encoder_->Encode(piece, compressed);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace rally::cas
