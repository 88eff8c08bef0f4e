#ifndef RALLY_CONTROLLER_SERVICE_QUEUED_STREAM_H_
#define RALLY_CONTROLLER_SERVICE_QUEUED_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace rally::controller {

// A bidirectional stream whose answers come from other threads than its requests: they wait in a
// bounded queue, one is written at a time. Deletes itself when gRPC is done with it.
//
// Threads: a Handle may be used from any thread and outlives the stream. OnMessage is called for
// one
//   request at a time; OnEnded once, last.
template <typename Request, typename Response>
class QueuedStream : public grpc::ServerBidiReactor<Request, Response> {
 public:
  // A way to the stream that is safe to keep when the stream may be gone.
  class Handle {
   public:
    // Drops the answer when the stream is gone.
    void Send(Response response) ABSL_LOCKS_EXCLUDED(mutex_) {
      absl::MutexLock lock(&mutex_);
      if (stream_ != nullptr) stream_->Enqueue(std::move(response));
    }
    void Close(grpc::Status status) ABSL_LOCKS_EXCLUDED(mutex_) {
      absl::MutexLock lock(&mutex_);
      if (stream_ != nullptr) stream_->Close(std::move(status));
    }

   private:
    friend class QueuedStream;
    absl::Mutex mutex_;
    QueuedStream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
  };

  // More answers than this waiting means that the peer doesn't read: it is cut off.
  static constexpr size_t kQueueLimit = 16384;

  explicit QueuedStream(grpc::CallbackServerContext* context)
      : context_(context), handle_(std::make_shared<Handle>()) {
    absl::MutexLock lock(&handle_->mutex_);
    handle_->stream_ = this;
  }

  const std::shared_ptr<Handle>& handle() const { return handle_; }

 protected:
  // Begins to read. Call it at the end of the most derived constructor.
  void Start() { this->StartRead(&request_); }

  // Return false to stop reading (after closing the stream).
  virtual bool OnMessage(Request& request) = 0;
  virtual void OnEnded() {}

  void Enqueue(Response response) ABSL_LOCKS_EXCLUDED(mutex_) {
    bool write = false;
    {
      absl::MutexLock lock(&mutex_);
      if (finished_ || closing_) return;
      if (queue_.size() >= kQueueLimit) {
        context_->TryCancel();
        return;
      }
      queue_.push_back(std::move(response));
      write = !writing_;
      writing_ = true;
    }
    if (write) WriteFront();
  }

  void Close(grpc::Status status) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      if (finished_) return;
      if (writing_) {
        // The write may never end by itself; what is queued is no use to a peer that is cut off.
        closing_ = true;
        context_->TryCancel();
        return;
      }
      finished_ = true;
    }
    this->Finish(std::move(status));
  }

 private:
  void WriteFront() ABSL_LOCKS_EXCLUDED(mutex_) {
    const Response* front;
    {
      absl::MutexLock lock(&mutex_);
      front = &queue_.front();  // a deque keeps it in place while others are added
    }
    this->StartWrite(front);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Close(grpc::Status::OK);
      return;
    }
    if (OnMessage(request_)) this->StartRead(&request_);
  }

  void OnWriteDone(bool ok) override {
    bool write = false;
    bool finish = false;
    {
      absl::MutexLock lock(&mutex_);
      queue_.pop_front();
      if (!ok || closing_) {
        queue_.clear();
        writing_ = false;
        finish = !finished_;
        finished_ = true;
      } else {
        write = !queue_.empty();
        writing_ = write;
      }
    }
    if (finish) this->Finish(grpc::Status::CANCELLED);
    if (write) WriteFront();
  }

  void OnDone() override {
    {
      absl::MutexLock lock(&handle_->mutex_);
      handle_->stream_ = nullptr;
    }
    OnEnded();
    delete this;
  }

  grpc::CallbackServerContext* const context_;
  const std::shared_ptr<Handle> handle_;
  Request request_;

  absl::Mutex mutex_;
  std::deque<Response> queue_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_SERVICE_QUEUED_STREAM_H_
