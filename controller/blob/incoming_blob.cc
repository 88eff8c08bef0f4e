#include "controller/blob/incoming_blob.h"

#include <utility>

namespace rally::cas {
namespace {

// Hashing less takes no longer than waking a thread for it.
constexpr size_t kSharedBytes = 128 * 1024;

}  // namespace

absl::StatusOr<std::unique_ptr<IncomingBlob>> IncomingBlob::Begin(DiskStore* store,
                                                                  const blob::Digest& digest,
                                                                  Compression compression) {
  auto writer = store->NewWriter(digest);
  if (!writer.ok()) return writer.status();
  auto incoming = std::unique_ptr<IncomingBlob>(new IncomingBlob(*std::move(writer)));
  if (compression == Compression::kZstd) {
    incoming->decoder_ = std::make_unique<ZstdDecoder>(digest.size_bytes);
  }
  return incoming;
}

absl::Status IncomingBlob::Append(absl::string_view bytes) {
  received_bytes_ += static_cast<int64_t>(bytes.size());
  if (decoder_ == nullptr) return writer_->Append(bytes);
  return decoder_->Decode(bytes, [this](absl::string_view part) { return writer_->Append(part); });
}

absl::Status IncomingBlob::Append(absl::Span<const absl::string_view> pieces,
                                  controller::WorkerPool* threads) {
  size_t bytes = 0;
  for (absl::string_view piece : pieces) bytes += piece.size();
  if (decoder_ == nullptr && bytes >= kSharedBytes) {
    received_bytes_ += static_cast<int64_t>(bytes);
    return writer_->Append(pieces, threads);
  }
  for (absl::string_view piece : pieces) {
    if (absl::Status status = Append(piece); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status IncomingBlob::Commit() {
  if (decoder_ != nullptr && received_bytes_ > 0) {
    if (absl::Status status = decoder_->Finish(); !status.ok()) return status;
  }
  return writer_->Commit();
}

}  // namespace rally::cas
