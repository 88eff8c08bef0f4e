#ifndef RALLY_CONTROLLER_BLOB_FORWARD_FORWARDED_DOWNLOAD_H_
#define RALLY_CONTROLLER_BLOB_FORWARD_FORWARDED_DOWNLOAD_H_

#include <functional>
#include <utility>

#include "absl/time/time.h"
#include "controller/blob/forward/upstream.h"
#include "grpcpp/client_context.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/client_callback.h"
#include "grpcpp/support/server_callback.h"

namespace rally::cas {

// One stream of answers, handed on one by one: the next is asked for when the client has taken the
// last, so a slow client slows the store, and fills no memory here. Owns itself: the store's stream
// ends first, then the client's.
// Ownership: upstream outlives it.
template <typename Request, typename Response>
class ForwardedDownload : public grpc::ServerWriteReactor<Response> {
 public:
  // Binds the reactor to the stub's method.
  using Bind =
      std::function<void(grpc::ClientContext*, const Request*, grpc::ClientReadReactor<Response>*)>;

  ForwardedDownload(Upstream* upstream, grpc::CallbackServerContext& context, Request request,
                    absl::Duration bound, const Bind& bind)
      : upstream_(upstream),
        place_(upstream->streams().Take(PeerOf(context.peer()))),
        idle_(&upstream->idle_watch(), &context),
        request_(std::move(request)),
        source_(this) {
    if (!place_) {
      this->Finish(upstream_->TooBusy());
      return;
    }
    upstream_->SetDeadline(context, bound, &client_);
    bind(&client_, &request_, &source_);
    // Reads are started by what happens on the other side, so it may not end between them.
    source_.AddHold();
    source_.StartRead(&frame_);
    source_.StartCall();
  }

  void OnWriteDone(bool ok) override {
    idle_.ServersTurn();
    if (ok) return source_.StartRead(&frame_);
    client_.TryCancel();
    source_.RemoveHold();
  }
  void OnCancel() override { client_.TryCancel(); }
  void OnDone() override { delete this; }

 private:
  class Source : public grpc::ClientReadReactor<Response> {
   public:
    explicit Source(ForwardedDownload* owner) : owner_(owner) {}

    void OnReadDone(bool ok) override {
      if (ok) return owner_->HandOn();
      this->RemoveHold();
    }
    void OnDone(const grpc::Status& status) override {
      owner_->Finish(owner_->upstream_->Explain(status));
    }

   private:
    ForwardedDownload* const owner_;
  };

  void HandOn() {
    idle_.ClientsTurn();
    this->StartWrite(&frame_);
  }

  Upstream* const upstream_;
  const StreamCount::Place place_;
  IdleWatch::Stream idle_;  // It's the client's turn while a frame is handed on to it.
  const Request request_;
  grpc::ClientContext client_;
  Response frame_;  // In turn the store's and the client's.
  Source source_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_FORWARD_FORWARDED_DOWNLOAD_H_
