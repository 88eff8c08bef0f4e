#ifndef RALLY_CONTROLLER_SERVICE_QUEUED_STREAM_H_
#define RALLY_CONTROLLER_SERVICE_QUEUED_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "controller/service/cut_off.h"

namespace rally::controller {

// A bidirectional stream whose answers come from other threads than its requests: they wait in a
// bounded queue, one is written at a time. Deletes itself when gRPC is done with it.
//
// Threads: a Handle may be used from any thread and outlives the stream. OnMessage is called for
//   one request at a time; OnEnded once, last. gRPC calls nobody back from within an operation that
//   it is asked to start, so these are started under the lock: none can follow Finish.
// Blocking: OnMessage and OnEnded run on gRPC's few threads and must not.
template <typename Request, typename Response>
class QueuedStream : public grpc::ServerBidiReactor<Request, Response> {
 public:
  // A way to the stream that is safe to keep when the stream may be gone: then nothing happens.
  class Handle {
   public:
    void Send(Response response) ABSL_LOCKS_EXCLUDED(mutex_) {
      absl::MutexLock lock(&mutex_);
      if (stream_ != nullptr) stream_->Enqueue(std::move(response));
    }
    void Close(grpc::Status status) ABSL_LOCKS_EXCLUDED(mutex_) {
      absl::MutexLock lock(&mutex_);
      if (stream_ != nullptr) stream_->Close(std::move(status));
    }
    // Once for every OnMessage that returned false.
    void ContinueReading() ABSL_LOCKS_EXCLUDED(mutex_) {
      absl::MutexLock lock(&mutex_);
      if (stream_ != nullptr) stream_->Read();
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
  void Start() { Read(); }

  // True to read on; false when somebody will call Handle::ContinueReading, or closed the stream.
  virtual bool OnMessage(Request& request) = 0;
  virtual void OnEnded() {}

  void Enqueue(Response response) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (finished_ || closing_.has_value()) return;
    if (queue_.size() >= kQueueLimit) {
      closing_ = {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many answers wait to be read"};
      context_->TryCancel();
      return;
    }
    queue_.push_back(std::move(response));
    WriteNext();
  }

  void Close(grpc::Status status) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (writing_ && !finished_) {
      // The write may never end by itself; what is queued is no use to a peer that is cut off.
      closing_ = std::move(status);
      context_->TryCancel();
      return;
    }
    FinishOnce(std::move(status));
  }

 private:
  void Read() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (!finished_) this->StartRead(&request_);
  }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || queue_.empty()) return;
    writing_ = true;
    this->StartWrite(&queue_.front());  // a deque keeps it in place while others are added
  }

  void FinishOnce(grpc::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_) return;
    finished_ = true;
    this->Finish(std::move(status));
  }

  void OnReadDone(bool ok) override {
    if (ok) {
      if (OnMessage(request_)) Read();
      return;
    }
    absl::MutexLock lock(&mutex_);
    // A peer that has said all may still hear what is queued; writes to one that is gone fail.
    no_more_requests_ = true;
    FinishUnlessWriting();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    queue_.pop_front();
    writing_ = false;
    if (!ok || closing_.has_value()) {
      queue_.clear();
      FinishOnce(closing_.value_or(CutOff()));
      return;
    }
    WriteNext();
    if (no_more_requests_) FinishUnlessWriting();
  }

  void FinishUnlessWriting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!writing_) FinishOnce(grpc::Status::OK);
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
  std::optional<grpc::Status> closing_ ABSL_GUARDED_BY(mutex_);  // once the write has ended
  bool no_more_requests_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_SERVICE_QUEUED_STREAM_H_
