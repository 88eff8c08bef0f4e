#ifndef RALLY_RALLYCTL_FOLLOW_SERVER_STREAM_H_
#define RALLY_RALLYCTL_FOLLOW_SERVER_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "absl/time/time.h"

namespace rally::rallyctl {

// What a completion queue gives back.
class CompletionTag {
 public:
  virtual ~CompletionTag() = default;
  virtual void Complete(bool ok) = 0;
};

// One call that a server answers with a stream of messages, read on a completion queue.
//
// It doesn't retry and knows nothing of what the messages mean.
// Ownership: must live until `on_end` was called, which is the last that it does; the queue and the
// stub outlive it.
// Threads: not thread-safe; the thread that drains the queue owns it.
// Blocking: never.
template <typename Message>
class ServerStream final : public CompletionTag {
 public:
  using Reader = grpc::ClientAsyncReader<Message>;
  using Start =
      std::function<std::unique_ptr<Reader>(grpc::ClientContext*, grpc::CompletionQueue*, void*)>;
  using OnMessage = std::function<void(Message)>;
  using OnEnd = std::function<void(const grpc::Status&)>;

  ServerStream(grpc::CompletionQueue* queue, absl::Duration deadline, const Start& start,
               OnMessage on_message, OnEnd on_end)
      : on_message_(std::move(on_message)), on_end_(std::move(on_end)) {
    context_.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(deadline));
    reader_ = start(&context_, queue, this);
  }

  // The end comes through on_end soon, with CANCELLED.
  void Cancel() { context_.TryCancel(); }

  void Complete(bool ok) override {
    switch (state_) {
      case State::kStarting:
        if (ok) {
          state_ = State::kReading;
          reader_->Read(&message_, this);
        } else {
          Finish();
        }
        return;
      case State::kReading:
        if (!ok) {
          Finish();
          return;
        }
        on_message_(std::move(message_));
        message_ = Message();
        reader_->Read(&message_, this);
        return;
      case State::kFinishing:
        // Calling it may destroy this object.
        OnEnd on_end = std::move(on_end_);
        const grpc::Status status = status_;
        on_end(status);
        return;
    }
  }

 private:
  enum class State {
    kStarting,   // the call was made
    kReading,    // a message is awaited
    kFinishing,  // the status is awaited
  };

  void Finish() {
    state_ = State::kFinishing;
    reader_->Finish(&status_, this);
  }

  OnMessage on_message_;
  OnEnd on_end_;
  State state_ = State::kStarting;
  grpc::ClientContext context_;
  grpc::Status status_;
  Message message_;
  std::unique_ptr<Reader> reader_;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FOLLOW_SERVER_STREAM_H_
