// Blobs that go by ByteStream.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/blob/batch_message.h"
#include "common/blob/cas_calls.h"
#include "common/blob/raw_stream.h"
#include "common/blob/reader_checks.h"
#include "common/blob/stream_frame.h"
#include "google/bytestream/bytestream.pb.h"

namespace rally::blob {
namespace {

constexpr char kReadMethod[] = "/google.bytestream.ByteStream/Read";
constexpr char kWriteMethod[] = "/google.bytestream.ByteStream/Write";
// Smaller ones are sent again from their start as quickly as the server is asked what it has.
constexpr int64_t kWorthGoingOnBytes = 16 << 20;

std::string RandomUuid() {
  absl::BitGen random;
  const uint64_t a = absl::Uniform<uint64_t>(random);
  const uint64_t b = absl::Uniform<uint64_t>(random);
  return absl::StrFormat("%08x-%04x-4%03x-%04x-%012x", a >> 32, (a >> 16) & 0xFFFF, a & 0xFFF,
                         0x8000 | ((b >> 48) & 0x3FFF), b & 0xFFFFFFFFFFFF);
}

// The same for every upload of a blob, so that any of them can go on with what another began.
std::string UuidOf(const Digest& digest) {
  const absl::string_view hash = digest.hash;
  return absl::StrCat(hash.substr(0, 8), "-", hash.substr(8, 4), "-8", hash.substr(13, 3), "-8",
                      hash.substr(17, 3), "-", hash.substr(20, 12));
}

absl::Status Skip(int64_t bytes,
                  const std::function<absl::StatusOr<size_t>(char* to, size_t bytes)>& next) {
  const std::unique_ptr<char[]> buffer(new char[kStreamFrameBytes]);
  while (bytes > 0) {
    const absl::StatusOr<size_t> got =
        next(buffer.get(), std::min<int64_t>(kStreamFrameBytes, bytes));
    if (!got.ok()) return got.status();
    if (*got == 0) return absl::OkStatus();  // Too short, which shows next.
    bytes -= static_cast<int64_t>(*got);
  }
  return absl::OkStatus();
}

}  // namespace

std::string CasClient::Calls::ResourcePrefix() const {
  return options_.instance.empty() ? "" : absl::StrCat(options_.instance, "/");
}

absl::Time CasClient::Calls::StreamDeadline(const Digest& digest) const {
  return absl::Now() + options_.call_deadline +
         options_.deadline_per_mib * (static_cast<double>(digest.size_bytes) / (1024 * 1024));
}

absl::Status CasClient::Calls::StreamWrite(const Digest& digest, const OpenBytes& open) {
  const bool may_go_on = digest.size_bytes >= kWorthGoingOnBytes;
  const std::string upload =
      absl::StrCat(ResourcePrefix(), "uploads/", may_go_on ? UuidOf(digest) : RandomUuid(),
                   "/blobs/", digest.hash, "/", digest.size_bytes);
  bool was_taken = false;
  const auto attempt = [&]() -> absl::Status {
    int64_t begin = may_go_on ? ReceivedBytes(upload) : 0;
    if (begin < 0 || begin > digest.size_bytes) begin = 0;
    if (begin == digest.size_bytes) return absl::OkStatus();  // Somebody was quicker.
    const absl::Status status = WriteOnce(digest, upload, begin, open);
    if (status.ok() || begin == 0) return status;
    // The server may not know yet that the one who sent what it has is gone; or it's another
    // client, who is still at it.
    const bool is_taken = absl::IsAborted(status);
    if (MayPass(status) && !(is_taken && std::exchange(was_taken, true))) return status;
    // Or what it has is damaged.
    return WriteOnce(digest, upload, 0, open);
  };
  absl::Status status =
      Repeat(absl::StrCat("uploading blob ", digest.ToString(), " to ", options_.name), attempt);
  if (status.ok() || MayPass(status) || absl::IsInvalidArgument(status)) return status;
  // As in CheckContent.
  absl::StatusOr<NextBytes> next = open();
  if (!next.ok()) return status;
  Hasher hasher;
  const std::unique_ptr<char[]> buffer(new char[kStreamFrameBytes]);
  while (hasher.size_bytes() < digest.size_bytes) {
    const absl::StatusOr<size_t> bytes =
        (*next)(buffer.get(),
                std::min<int64_t>(kStreamFrameBytes, digest.size_bytes - hasher.size_bytes()));
    if (!bytes.ok()) return status;
    if (*bytes == 0) break;
    hasher.Update(absl::string_view(buffer.get(), *bytes));
  }
  return hasher.Finish() == digest ? status : NotWhatItSays(digest);
}

int64_t CasClient::Calls::ReceivedBytes(const std::string& upload) {
  grpc::ClientContext context;
  SetDeadline(absl::Now() + options_.call_deadline, &context);
  google::bytestream::QueryWriteStatusRequest request;
  request.set_resource_name(upload);
  google::bytestream::QueryWriteStatusResponse answer;
  // Not all servers know the question. Why they don't answer shows when the blob is sent.
  if (!byte_stream_->QueryWriteStatus(&context, request, &answer).ok()) return 0;
  return answer.committed_size();
}

absl::Status CasClient::Calls::WriteOnce(const Digest& digest, const std::string& upload,
                                         int64_t begin, const OpenBytes& open_bytes) {
  using google::bytestream::WriteRequest;
  absl::StatusOr<NextBytes> next = open_bytes();
  if (!next.ok()) return next.status();
  if (absl::Status skipped = Skip(begin, *next); !skipped.ok()) return skipped;
  grpc::ClientContext context;
  SetDeadline(StreamDeadline(digest), &context);
  RawStream stream(channel_, kWriteMethod, &context);
  int64_t offset = begin;
  bool open = true;
  do {
    const size_t bytes = std::min<int64_t>(kStreamFrameBytes, digest.size_bytes - offset);
    const bool last = offset + static_cast<int64_t>(bytes) == digest.size_bytes;
    BatchMessage message;
    if (offset == begin) message.AppendField(WriteRequest::kResourceNameFieldNumber, upload);
    message.AppendVarintField(WriteRequest::kWriteOffsetFieldNumber, offset);
    if (last) message.AppendVarintField(WriteRequest::kFinishWriteFieldNumber, 1);
    message.BeginField(WriteRequest::kDataFieldNumber, bytes);
    // Any other way out cancels the stream.
    absl::StatusOr<size_t> got = (*next)(message.Extend(bytes), bytes);
    if (!got.ok()) return got.status();
    if (*got != bytes) {
      return absl::InvalidArgumentError(
          "the content is shorter than its digest says; did the file change while it was "
          "uploaded?");
    }
    offset += static_cast<int64_t>(bytes);
    // False means that the server has answered, which it may do early if it has the blob.
    open = stream.Write(message.Take());
  } while (open && offset < digest.size_bytes);
  stream.WritesDone();
  google::bytestream::WriteResponse answer;
  grpc::ByteBuffer bytes;
  const bool answered =
      stream.Read(&bytes) &&
      grpc::SerializationTraits<google::bytestream::WriteResponse>::Deserialize(&bytes, &answer)
          .ok();
  const grpc::Status ended = stream.Finish();
  if (absl::Status status = FromServer(ended.error_code(), ended.error_message()); !status.ok()) {
    return IsStored(status) ? absl::OkStatus() : status;
  }
  if (!answered) return absl::InternalError(absl::StrCat(options_.name, " gave no answer"));
  if (answer.committed_size() != digest.size_bytes) {
    return absl::InternalError(absl::StrCat(options_.name, " committed ", answer.committed_size(),
                                            " of ", digest.size_bytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CasClient::Calls::StreamRead(const Digest& digest, const Sink& sink) {
  Hasher hasher;
  absl::Status sunk;
  absl::Status status =
      Repeat(absl::StrCat("reading blob ", digest.ToString(), " from ", options_.name), [&] {
        absl::Status read = ReadOnce(digest, /*server_checks=*/false, &hasher, sink, &sunk);
        // Not the server's fault: nothing to repeat.
        return sunk.ok() ? read : absl::OkStatus();
      });
  if (!sunk.ok()) return sunk;
  if (!status.ok()) return status;
  if (hasher.Finish() != digest) {
    // What was given to the sink stays wrong: this is for the server to find out.
    Repeat("finding damage", [&] {
      Hasher again;
      const Sink nothing = [](absl::string_view) { return absl::OkStatus(); };
      return ReadOnce(digest, /*server_checks=*/true, &again, nothing, &sunk);
    }).IgnoreError();
    return absl::DataLossError(
        absl::StrCat("blob ", digest.ToString(), ": ", options_.name, " sent wrong bytes"));
  }
  return absl::OkStatus();
}

absl::Status CasClient::Calls::ReadOnce(const Digest& digest, bool server_checks, Hasher* hasher,
                                        const Sink& sink, absl::Status* sunk) {
  if (hasher->size_bytes() == digest.size_bytes) return absl::OkStatus();
  grpc::ClientContext context;
  SetDeadline(StreamDeadline(digest), &context);
  if (!server_checks) context.AddMetadata(kReaderChecks, "1");
  google::bytestream::ReadRequest request;
  request.set_resource_name(
      absl::StrCat(ResourcePrefix(), "blobs/", digest.hash, "/", digest.size_bytes));
  const int64_t begin = hasher->size_bytes();
  request.set_read_offset(begin);
  bool own_buffer;
  grpc::ByteBuffer message;
  grpc::SerializationTraits<google::bytestream::ReadRequest>::Serialize(request, &message,
                                                                        &own_buffer);
  RawStream stream(channel_, kReadMethod, &context);
  stream.Write(message);
  stream.WritesDone();
  StreamFrame frame;
  while (stream.Read(&message)) {
    if (absl::Status status = frame.Parse(&message); !status.ok()) return status;
    if (hasher->size_bytes() + frame.data_bytes() > digest.size_bytes) {
      return absl::DataLossError("it sent too many bytes");
    }
    for (absl::string_view piece : frame.pieces()) {
      hasher->Update(piece);
      if (*sunk = sink(piece); !sunk->ok()) return *sunk;
    }
  }
  const grpc::Status ended = stream.Finish();
  if (!ended.ok()) return FromServer(ended.error_code(), ended.error_message());
  if (hasher->size_bytes() == digest.size_bytes) return absl::OkStatus();
  const std::string what = absl::StrCat("the stream ended after ", hasher->size_bytes(), " of ",
                                        digest.size_bytes, " bytes");
  // Something on the way may have cut it; what is left can be asked for. One that adds nothing has
  // no more.
  return hasher->size_bytes() > begin ? absl::UnavailableError(what) : absl::DataLossError(what);
}

}  // namespace rally::blob
