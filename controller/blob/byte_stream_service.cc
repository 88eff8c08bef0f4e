#include "controller/blob/byte_stream_service.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/status.h"
#include "controller/blob/resource_name.h"

namespace rally::cas {
namespace {

using google::bytestream::ReadRequest;
using google::bytestream::ReadResponse;
using google::bytestream::WriteRequest;
using google::bytestream::WriteResponse;

constexpr size_t kFrameBytes = 1024 * 1024;

absl::Status TooBusy() {
  return absl::UnavailableError("the blob service has too much to do; try again");
}

absl::Status CheckUncompressed(const ResourceName& name) {
  if (name.compressor.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("this server does not compress; it knows nothing of '", name.compressor, "'"));
}

// One download. Owns itself; each of its steps runs after the one before, on the disk threads.
class Download : public grpc::ServerWriteReactor<ReadResponse> {
 public:
  Download(DiskStore* store, controller::WorkerPool* threads, const ReadRequest* request)
      : store_(store), threads_(threads), request_(request) {
    if (!threads_->TryPost([this] { Open(); })) Finish(rpc::ToGrpc(TooBusy()));
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      threads_->Post([this] { SendNext(); });
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }

  void OnDone() override { delete this; }

 private:
  void Open() {
    absl::StatusOr<ResourceName> name = ParseReadName(request_->resource_name());
    absl::Status status = name.ok() ? CheckUncompressed(*name) : name.status();
    if (!status.ok()) return Finish(rpc::ToGrpc(status));
    auto reader = store_->NewReader(name->digest, request_->read_offset(), request_->read_limit());
    if (!reader.ok()) return Finish(rpc::ToGrpc(reader.status()));
    reader_ = *std::move(reader);
    SendNext();
  }

  void SendNext() {
    absl::Status status = reader_->Read(kFrameBytes, frame_.mutable_data());
    if (!status.ok()) return Finish(rpc::ToGrpc(status));
    if (frame_.data().empty()) return Finish(grpc::Status::OK);
    StartWrite(&frame_);
  }

  DiskStore* const store_;
  controller::WorkerPool* const threads_;
  const ReadRequest* const request_;
  std::unique_ptr<DiskStore::Reader> reader_;
  ReadResponse frame_;
};

// One upload. Owns itself; each of its steps runs after the one before, on the disk threads.
class UploadStream : public grpc::ServerReadReactor<WriteRequest> {
 public:
  UploadStream(DiskStore* store, controller::WorkerPool* threads, WriteResponse* response)
      : store_(store), threads_(threads), response_(response) {
    StartRead(&frame_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      return Finish(rpc::ToGrpc(absl::InvalidArgumentError(
          "the upload ended before the message that finishes it; nothing was stored")));
    }
    if (started_) {
      threads_->Post([this] { Receive(); });
    } else if (!threads_->TryPost([this] { Receive(); })) {
      Finish(rpc::ToGrpc(TooBusy()));
    }
    started_ = true;
  }

  void OnDone() override { delete this; }

 private:
  void Receive() {
    absl::Status status = writer_ == nullptr ? Begin() : CheckSameName();
    if (status.ok() && present_) return Done();
    if (status.ok()) status = AppendFrame();
    if (!status.ok()) return Finish(rpc::ToGrpc(status));
    if (!frame_.finish_write()) return StartRead(&frame_);
    status = writer_->Commit();
    if (!status.ok()) return Finish(rpc::ToGrpc(status));
    Done();
  }

  absl::Status Begin() {
    absl::StatusOr<ResourceName> name = ParseWriteName(frame_.resource_name());
    if (!name.ok()) return name.status();
    if (absl::Status status = CheckUncompressed(*name); !status.ok()) return status;
    resource_name_ = frame_.resource_name();
    digest_ = name->digest;
    // The empty blob is received, which is quicker than to explain an early end.
    present_ = digest_.size_bytes > 0 && store_->Contains(digest_);
    if (present_) return absl::OkStatus();
    auto writer = store_->NewWriter(digest_);
    if (!writer.ok()) return writer.status();
    writer_ = *std::move(writer);
    return absl::OkStatus();
  }

  absl::Status CheckSameName() const {
    if (frame_.resource_name().empty() || frame_.resource_name() == resource_name_) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError("the resource name changed within one upload");
  }

  absl::Status AppendFrame() {
    if (frame_.write_offset() != received_) {
      return absl::InvalidArgumentError(absl::StrCat("expected the bytes at offset ", received_,
                                                     ", not at ", frame_.write_offset()));
    }
    received_ += static_cast<int64_t>(frame_.data().size());
    return writer_->Append(frame_.data());
  }

  void Done() {
    response_->set_committed_size(digest_.size_bytes);
    Finish(grpc::Status::OK);
  }

  DiskStore* const store_;
  controller::WorkerPool* const threads_;
  WriteResponse* const response_;
  WriteRequest frame_;
  bool started_ = false;
  std::string resource_name_;
  blob::Digest digest_;
  bool present_ = false;
  int64_t received_ = 0;
  std::unique_ptr<DiskStore::Writer> writer_;
};

}  // namespace

grpc::ServerWriteReactor<ReadResponse>* ByteStreamService::Read(
    grpc::CallbackServerContext* /*context*/, const ReadRequest* request) {
  return new Download(store_, threads_, request);
}

grpc::ServerReadReactor<WriteRequest>* ByteStreamService::Write(
    grpc::CallbackServerContext* /*context*/, WriteResponse* response) {
  return new UploadStream(store_, threads_, response);
}

}  // namespace rally::cas
