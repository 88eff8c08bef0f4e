#ifndef RALLY_CONTROLLER_BLOB_FORWARD_FORWARDED_CALL_H_
#define RALLY_CONTROLLER_BLOB_FORWARD_FORWARDED_CALL_H_

#include <functional>
#include <utility>

#include "controller/blob/forward/upstream.h"
#include "grpcpp/client_context.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// One call with one request and one answer, made again of the upstream store. Owns itself: the
// call of the store ends first, then the client's.
// Ownership: upstream and response outlive it.
template <typename Request, typename Response>
class ForwardedCall : public grpc::ServerUnaryReactor {
 public:
  // Starts the stub's method, which calls back at its end.
  using Start = std::function<void(grpc::ClientContext*, const Request*, Response*,
                                   std::function<void(grpc::Status)>)>;

  // `request` is what the store is to get.
  ForwardedCall(Upstream* upstream, const grpc::CallbackServerContext& context, Request request,
                Response* response, const Start& start,
                std::function<void(Response*)> adjust = nullptr)
      : upstream_(upstream),
        place_(upstream->calls().Take(PeerOf(context.peer()))),
        request_(std::move(request)),
        response_(response),
        adjust_(std::move(adjust)) {
    if (!place_) {
      Finish(upstream_->TooBusy());
      return;
    }
    upstream_->SetDeadline(context, upstream_->options().call_deadline, &client_);
    start(&client_, &request_, response_, [this](const grpc::Status& status) { End(status); });
  }

  void OnCancel() override { client_.TryCancel(); }
  void OnDone() override { delete this; }

 private:
  void End(const grpc::Status& status) {
    if (status.ok() && adjust_) adjust_(response_);
    this->Finish(upstream_->Explain(status));
  }

  Upstream* const upstream_;
  const StreamCount::Place place_;
  const Request request_;
  Response* const response_;
  const std::function<void(Response*)> adjust_;
  grpc::ClientContext client_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_FORWARD_FORWARDED_CALL_H_
