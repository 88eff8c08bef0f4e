#include "controller/blob/forward/forwarded_upload.h"

#include "common/rpc/status.h"
#include "controller/blob/forward/forwarded_name.h"
#include "controller/blob/resource_name.h"

namespace rally::cas {

ForwardedUpload::ForwardedUpload(Upstream* upstream, grpc::CallbackServerContext* context,
                                 google::bytestream::WriteResponse* response)
    : upstream_(upstream),
      context_(context),
      response_(response),
      place_(upstream->streams().Take(PeerOf(context->peer()))),
      idle_(&upstream->idle_watch(), context),
      sink_(this) {
  if (place_) {
    ReadFrame();
  } else {
    Finish(upstream_->TooBusy());
  }
}

void ForwardedUpload::ReadFrame() {
  idle_.ClientsTurn();
  StartRead(&frame_);
}

void ForwardedUpload::OnReadDone(bool ok) {
  idle_.ServersTurn();
  if (!begun_) {
    const absl::Status status =
        ok ? Begin() : absl::InvalidArgumentError("the upload ended before its first message");
    if (!status.ok()) Finish(rpc::ToGrpc(status));
    return;
  }
  if (!ok) {
    // What an end without finish_write means is for the store to say.
    sink_.StartWritesDone();
    sink_.RemoveHold();
    return;
  }
  if (absl::Status status = Rename(); !status.ok()) {
    refused_ = rpc::ToGrpc(status);
    client_.TryCancel();
    sink_.RemoveHold();
    return;
  }
  sink_.StartWrite(&frame_);
}

absl::Status ForwardedUpload::Begin() {
  absl::StatusOr<ResourceName> name = ParseWriteName(frame_.resource_name());
  if (!name.ok()) return name.status();
  if (absl::Status status = Rename(); !status.ok()) return status;
  begun_ = true;
  upstream_->SetDeadline(*context_, upstream_->StreamBound(name->digest.size_bytes), &client_);
  upstream_->byte_stream()->async()->Write(&client_, response_, &sink_);
  // Writes are started by what happens on the other side, so it may not end between them.
  sink_.AddHold();
  sink_.StartWrite(&frame_);
  sink_.StartCall();
  return absl::OkStatus();
}

absl::Status ForwardedUpload::Rename() {
  if (frame_.resource_name().empty()) return absl::OkStatus();
  absl::StatusOr<std::string> name =
      ForwardedWriteName(frame_.resource_name(), upstream_->options().instance);
  if (!name.ok()) return name.status();
  frame_.set_resource_name(*std::move(name));
  return absl::OkStatus();
}

void ForwardedUpload::Sink::OnWriteDone(bool ok) {
  if (ok && !owner_->frame_.finish_write()) return owner_->ReadFrame();
  // Not OK: the store has answered already, as it may when it has the blob.
  if (ok) StartWritesDone();
  RemoveHold();
}

void ForwardedUpload::Sink::OnDone(const grpc::Status& status) {
  owner_->Finish(owner_->refused_.ok() ? owner_->upstream_->Explain(status) : owner_->refused_);
}

}  // namespace rally::cas
