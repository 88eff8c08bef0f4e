#include "controller/service/build_watch_stream.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "controller/service/cut_off.h"
#include "controller/wire/build_wire.h"

namespace rally::controller {
namespace {

bool HasEnded(const v1::Build& build) {
  return build.status() != v1::BUILD_STATUS_RUNNING &&
         build.status() != v1::BUILD_STATUS_CANCELLING;
}

// Operations are started under the lock, so that none can follow Finish. Whoever isn't called by
// gRPC holds a lock that OnDone needs (the watchers', or Self's), so that the stream outlives the
// call.
class BuildWatchStream : public grpc::ServerWriteReactor<v1::Build> {
 public:
  BuildWatchStream(std::string build_id, BuildWatchers* watchers)
      : build_id_(std::move(build_id)), watchers_(watchers), self_(std::make_shared<Self>()) {
    absl::MutexLock lock(&self_->mutex);
    self_->stream = this;
  }

  void Begin(Loop* loop) {
    // Subscribed first, so that nothing falls between the first state and the next.
    subscription_ = watchers_->Subscribe(
        build_id_, [this](const std::shared_ptr<const v1::Build>& build) { Offer(build); });
    const bool posted = loop->Query([self = self_, id = build_id_](const core::Core& core) {
      const core::Build* build = core.FindBuild(id);
      std::shared_ptr<const v1::Build> proto;
      if (build != nullptr) proto = std::make_shared<v1::Build>(wire::ToProto(*build));
      absl::MutexLock lock(&self->mutex);
      if (self->stream == nullptr) return;
      if (proto == nullptr) {
        self->stream->End(
            {grpc::StatusCode::NOT_FOUND, absl::StrCat("there is no build \"", id, "\"")});
      } else {
        self->stream->Offer(std::move(proto));
      }
    });
    if (!posted) End({grpc::StatusCode::UNAVAILABLE, "the controller has too much to do"});
  }

 private:
  // What the loop's query may find instead of a stream that is gone.
  struct Self {
    absl::Mutex mutex;
    BuildWatchStream* stream ABSL_GUARDED_BY(mutex) = nullptr;
  };

  void Offer(std::shared_ptr<const v1::Build> build) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    // What an agent is at changes without a revision.
    if (finished_ || build->revision() < last_revision_) return;
    last_revision_ = build->revision();
    next_ = std::move(build);
    if (current_ == nullptr) WriteNext();
  }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    current_ = std::exchange(next_, nullptr);
    StartWrite(current_.get());
  }

  void End(grpc::Status status) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    FinishOnce(std::move(status));
  }

  void FinishOnce(grpc::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_) return;
    finished_ = true;
    Finish(std::move(status));
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    const bool ended = HasEnded(*current_);
    current_ = nullptr;
    if (finished_) return;
    if (!ok) {
      FinishOnce(CutOff());
    } else if (ended) {
      FinishOnce(grpc::Status::OK);
    } else if (next_ != nullptr) {
      WriteNext();
    }
  }

  void OnCancel() override { End(CutOff()); }

  void OnDone() override {
    watchers_->Unsubscribe(build_id_, subscription_);
    {
      absl::MutexLock lock(&self_->mutex);
      self_->stream = nullptr;
    }
    delete this;
  }

  const std::string build_id_;
  BuildWatchers* const watchers_;
  const std::shared_ptr<Self> self_;
  int64_t subscription_ = 0;

  absl::Mutex mutex_;
  std::shared_ptr<const v1::Build> current_ ABSL_GUARDED_BY(mutex_);  // being written
  std::shared_ptr<const v1::Build> next_ ABSL_GUARDED_BY(mutex_);
  int64_t last_revision_ ABSL_GUARDED_BY(mutex_) = -1;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

grpc::ServerWriteReactor<v1::Build>* NewBuildWatchStream(const std::string& build_id, Loop* loop,
                                                         BuildWatchers* watchers) {
  auto* stream = new BuildWatchStream(build_id, watchers);
  stream->Begin(loop);
  return stream;
}

}  // namespace rally::controller
