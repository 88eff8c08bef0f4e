#include "controller/blob/tree_stream.h"

#include "common/blob/digest_proto.h"
#include "common/blob/instance_name.h"
#include "common/rpc/status.h"
#include "controller/blob/digest_function.h"

namespace rally::cas {

TreeStream::TreeStream(DiskStore* store, controller::WorkerPool* threads, StreamCount* streams,
                       IdleWatch* idle_watch, grpc::CallbackServerContext* context,
                       const build::bazel::remote::execution::v2::GetTreeRequest* request)
    : threads_(threads),
      request_(request),
      place_(streams->Take(PeerOf(context->peer()))),
      idle_(idle_watch, context),
      pages_(store, TreePages::Limits()) {
  const bool taken = place_ && threads_->TryPost([this] {
    absl::Status status = Begin();
    if (!status.ok()) return Finish(rpc::ToGrpc(status));
    SendNext();
  });
  if (!taken) {
    Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                        "the blob service has too much to do; try again"));
  }
}

absl::Status TreeStream::Begin() {
  absl::Status status = blob::CheckInstanceName(request_->instance_name());
  if (!status.ok()) return status;
  const auto function = RequestedDigestFunction(*request_, DigestFunctionField::kGetTree);
  if (!function.ok()) return function.status();
  const auto root = blob::FromProto(request_->root_digest());
  if (!root.ok()) return root.status();
  return pages_.Begin(*root, request_->page_size(), request_->page_token());
}

void TreeStream::SendNext() {
  absl::Status status = pages_.Next(&page_);
  if (!status.ok()) return Finish(rpc::ToGrpc(status));
  idle_.ClientsTurn();
  if (page_.next_page_token().empty()) {
    StartWriteAndFinish(&page_, grpc::WriteOptions(), grpc::Status::OK);
  } else {
    StartWrite(&page_);
  }
}

void TreeStream::OnWriteDone(bool ok) {
  idle_.ServersTurn();
  if (ok && !page_.next_page_token().empty()) {
    threads_->Post([this] { SendNext(); });
  } else if (!ok) {
    Finish(grpc::Status::CANCELLED);
  }
}

}  // namespace rally::cas
