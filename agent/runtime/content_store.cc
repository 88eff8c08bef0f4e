#include "agent/runtime/content_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace rally::runtime {
namespace {

constexpr size_t kChunkBytes = 1 << 20;
constexpr absl::Duration kLongestTransfer = absl::Hours(6);
constexpr absl::Duration kFirstLockPause = absl::Milliseconds(20);
constexpr absl::Duration kLastLockPause = absl::Seconds(1);

// Only one writer at a time may write a blob; the names are those that ctr uses.
std::string RefOf(const BlobDescriptor& blob) { return absl::StrCat("rally-", blob.digest); }

}  // namespace

BlobWriter::BlobWriter(const ContainerdConnection& connection, const CallLimits& limits,
                       absl::string_view lease, const BlobDescriptor& blob)
    : connection_(connection),
      blob_(blob),
      call_(connection, limits, lease, kLongestTransfer),
      stream_(connection.content().Write(call_.context())) {}

BlobWriter::~BlobWriter() {
  if (finished_) return;
  call_.context()->TryCancel();
  stream_->Finish();
}

absl::Status BlobWriter::Failed() {
  finished_ = true;
  while (stream_->Read(&reply_)) {  // The status comes after the last message.
  }
  const grpc::Status status = stream_->Finish();
  if (status.ok()) {
    return absl::UnavailableError(
        absl::StrCat("storing blob ", blob_.digest, ": containerd ended the transfer early"));
  }
  return connection_.ToStatus(status, absl::StrCat("storing blob ", blob_.digest));
}

absl::Status BlobWriter::Exchange(const content::WriteContentRequest& request) {
  // A reply for each message keeps containerd from being flooded.
  if (!stream_->Write(request) || !stream_->Read(&reply_)) return Failed();
  return absl::OkStatus();
}

absl::Status BlobWriter::Open() {
  content::WriteContentRequest request;
  request.set_action(content::STAT);
  request.set_ref(RefOf(blob_));
  request.set_total(blob_.size_bytes);
  request.set_expected(blob_.digest);
  const absl::Status status = Exchange(request);
  if (!status.ok()) return status;
  offset_ = reply_.offset();
  return absl::OkStatus();
}

absl::Status BlobWriter::Append(absl::string_view bytes) {
  if (offset() + static_cast<int64_t>(bytes.size()) > blob_.size_bytes) {
    Abort();
    return absl::DataLossError(absl::StrCat("blob ", blob_.digest, " is longer than the ",
                                            blob_.size_bytes, " bytes that its manifest says"));
  }
  while (!bytes.empty()) {
    const size_t taken = std::min(bytes.size(), kChunkBytes - pending_.size());
    pending_.append(bytes.data(), taken);
    bytes.remove_prefix(taken);
    if (pending_.size() < kChunkBytes) continue;
    if (absl::Status status = Flush(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status BlobWriter::Flush() {
  if (pending_.empty()) return absl::OkStatus();
  content::WriteContentRequest request;
  request.set_action(content::WRITE);
  request.set_offset(offset_);
  request.set_data(std::move(pending_));
  pending_.clear();
  const int64_t written = static_cast<int64_t>(request.data().size());
  if (absl::Status status = Exchange(request); !status.ok()) return status;
  offset_ += written;
  return absl::OkStatus();
}

absl::Status BlobWriter::Commit() {
  if (absl::Status status = Flush(); !status.ok()) return status;
  if (offset_ != blob_.size_bytes) {
    return absl::UnavailableError(absl::StrCat("blob ", blob_.digest, " ended after ", offset_,
                                               " of ", blob_.size_bytes, " bytes"));
  }
  content::WriteContentRequest request;
  request.set_action(content::COMMIT);
  request.set_offset(offset_);
  request.set_total(blob_.size_bytes);
  request.set_expected(blob_.digest);
  if (absl::Status status = Exchange(request); !status.ok()) {
    if (absl::IsAlreadyExists(status)) return absl::OkStatus();
    if (absl::IsDataLoss(status)) Abort();
    return status;
  }
  stream_->WritesDone();
  while (stream_->Read(&reply_)) {  // The status comes after the last message, not before.
  }
  finished_ = true;
  const grpc::Status status = stream_->Finish();
  if (!status.ok() && status.error_code() != grpc::StatusCode::ALREADY_EXISTS) {
    return connection_.ToStatus(status, absl::StrCat("storing blob ", blob_.digest));
  }
  return absl::OkStatus();
}

void BlobWriter::Abort() {
  if (!finished_) {
    finished_ = true;
    call_.context()->TryCancel();
    stream_->Finish();
  }
  content::AbortRequest request;
  request.set_ref(RefOf(blob_));
  google::protobuf::Empty response;
  Call call(connection_, CallLimits());
  connection_.content().Abort(call.context(), request, &response);  // Else it expires in a day.
}

absl::StatusOr<std::string> ContentStore::Read(const std::string& digest,
                                               const CallLimits& limits) const {
  content::ReadContentRequest request;
  request.set_digest(digest);
  Call call(connection_, limits);
  const auto stream = connection_.content().Read(call.context(), request);
  std::string bytes;
  content::ReadContentResponse piece;
  while (stream->Read(&piece)) {
    bytes += piece.data();
    if (static_cast<int64_t>(bytes.size()) > kMaxManifestBytes) call.context()->TryCancel();
  }
  const grpc::Status status = stream->Finish();
  if (static_cast<int64_t>(bytes.size()) > kMaxManifestBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("blob ", digest, " is too large for a manifest"));
  }
  if (!status.ok()) return connection_.ToStatus(status, absl::StrCat("reading blob ", digest));
  if (Sha256Of(bytes) != digest) {
    return absl::DataLossError(
        absl::StrCat("blob ", digest, " in containerd's store does not match its digest"));
  }
  return bytes;
}

absl::StatusOr<std::unique_ptr<BlobWriter>> ContentStore::Write(const BlobDescriptor& blob,
                                                                absl::string_view lease,
                                                                const CallLimits& limits) const {
  absl::Duration pause = kFirstLockPause;
  while (true) {
    std::unique_ptr<BlobWriter> writer(new BlobWriter(connection_, limits, lease, blob));
    const absl::Status status = writer->Open();
    if (status.ok()) return writer;
    if (absl::IsAlreadyExists(status)) return nullptr;
    const bool locked =
        absl::IsUnavailable(status) && absl::StrContains(status.message(), "locked");
    if (!locked) return status;
    Pause(pause, limits);
    if (absl::Status spent = CheckLimits(limits, "waiting for another download"); !spent.ok()) {
      return spent;
    }
    pause = std::min(2 * pause, kLastLockPause);
  }
}

absl::Status ContentStore::Label(const std::string& digest,
                                 const std::map<std::string, std::string>& labels,
                                 absl::string_view lease, const CallLimits& limits) const {
  if (labels.empty()) return absl::OkStatus();
  content::UpdateRequest request;
  request.mutable_info()->set_digest(digest);
  for (const auto& [name, value] : labels) {
    (*request.mutable_info()->mutable_labels())[name] = value;
    request.mutable_update_mask()->add_paths(absl::StrCat("labels.", name));
  }
  content::UpdateResponse response;
  Call call(connection_, limits, lease);
  return connection_.ToStatus(connection_.content().Update(call.context(), request, &response),
                              absl::StrCat("labelling blob ", digest));
}

}  // namespace rally::runtime
