#include "controller/blob/download_stream.h"

#include <string>
#include <utility>

#include "common/rpc/status.h"

namespace rally::cas {
namespace {

constexpr size_t kFrameBytes = 1024 * 1024;

}  // namespace

DownloadStream::DownloadStream(ByteStreamParts* parts,
                               const google::bytestream::ReadRequest* request)
    : parts_(parts), request_(request), place_(parts->streams.Take()) {
  const bool taken = place_ && parts_->threads->TryPost([this] {
    absl::Status status = Open();
    if (!status.ok()) return Finish(rpc::ToGrpc(status));
    SendNext();
  });
  if (!taken) Finish(rpc::ToGrpc(TooManyStreams()));
}

void DownloadStream::OnWriteDone(bool ok) {
  if (ok) {
    parts_->threads->Post([this] { SendNext(); });
  } else {
    Finish(grpc::Status::CANCELLED);
  }
}

absl::Status DownloadStream::Open() {
  absl::StatusOr<ResourceName> name = ParseReadName(request_->resource_name());
  if (!name.ok()) return name.status();
  absl::StatusOr<Compression> compression = CompressionOf(*name);
  if (!compression.ok()) return compression.status();
  if (*compression == Compression::kZstd) {
    if (request_->read_limit() != 0) {
      return absl::InvalidArgumentError("a compressed read can't have a limit");
    }
    compressed_place_ = parts_->compressed_streams.Take();
    if (!compressed_place_) return TooManyStreams();
    encoder_ = std::make_unique<ZstdEncoder>();
  }
  auto reader =
      parts_->store->NewReader(name->digest, request_->read_offset(), request_->read_limit());
  if (!reader.ok()) return reader.status();
  reader_ = *std::move(reader);
  return absl::OkStatus();
}

void DownloadStream::SendNext() {
  absl::Status status = FillFrame();
  if (!status.ok()) return Finish(rpc::ToGrpc(status));
  if (frame_.data().empty()) return Finish(grpc::Status::OK);
  StartWrite(&frame_);
}

absl::Status DownloadStream::FillFrame() {
  if (encoder_ == nullptr) return reader_->Read(kFrameBytes, frame_.mutable_data());
  return FillCompressedFrame();
}

absl::Status DownloadStream::FillCompressedFrame() {
  std::string* const compressed = frame_.mutable_data();
  compressed->clear();
  std::string piece;
  // zstd takes in a lot before it hands something out.
  while (compressed->empty() && !encoder_finished_) {
    if (absl::Status status = reader_->Read(kFrameBytes, &piece); !status.ok()) return status;
    encoder_finished_ = piece.empty();
    absl::Status status =
        encoder_finished_ ? encoder_->Finish(compressed) : encoder_->Encode(piece, compressed);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace rally::cas
