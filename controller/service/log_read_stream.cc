#include "controller/service/log_read_stream.h"

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/rpc/status.h"
#include "controller/wire/value_wire.h"

namespace rally::controller {
namespace {

constexpr int64_t kChunkBytes = 256 * 1024;

// What the core knows of the step when it is asked.
struct Found {
  grpc::Status status;
  int step = 0;
  int attempt = 0;  // current
  bool terminal = false;
  int64_t log_end = -1;  // of the current attempt, once it has ended
};

Found Look(const core::Core& core, const std::string& build_id, const std::string& step_id) {
  Found found;
  const core::Build* build = core.FindBuild(build_id);
  if (build == nullptr) {
    found.status = {grpc::StatusCode::NOT_FOUND,
                    absl::StrCat("there is no build \"", build_id, "\"")};
    return found;
  }
  for (size_t i = 0; i < build->steps.size(); ++i) {
    const core::Step& step = build->steps[i];
    if (step.definition.spec.id != step_id) continue;
    found.step = static_cast<int>(i);
    found.attempt = step.attempt;
    found.terminal = core::IsTerminal(step.status);
    if (found.terminal) found.log_end = step.log_end;
    return found;
  }
  found.status = {grpc::StatusCode::NOT_FOUND,
                  absl::StrCat("build ", build_id, " has no step \"", step_id, "\"")};
  return found;
}

// States: asking (the loop or a reader thread works for it), waiting (for the build to change or
// the log to grow), writing, finished. Exactly one is under way at a time, and its end decides the
// next.
//
// Ownership: its own, until gRPC is done with it; who wakes it holds a weak pointer.
class LogReadStream : public grpc::ServerWriteReactor<v1::LogChunk>,
                      public std::enable_shared_from_this<LogReadStream> {
 public:
  LogReadStream(const v1::ReadLogRequest& request, Loop* loop, LogStore* logs,
                BuildWatchers* watchers, WorkerPool* readers)
      : request_(request),
        loop_(loop),
        logs_(logs),
        watchers_(watchers),
        readers_(readers),
        offset_(request.offset()) {}

  ~LogReadStream() override {
    if (subscription_ != 0) watchers_->Unsubscribe(request_.build_id(), subscription_);
    if (waiter_ != 0) logs_->Cancel(Key(), waiter_);
  }

  void Begin() {
    self_ = shared_from_this();
    if (request_.offset() < 0 || request_.attempt() < 0) {
      return End({grpc::StatusCode::INVALID_ARGUMENT, "offset and attempt can't be negative"});
    }
    if (request_.follow()) {
      subscription_ = watchers_->Subscribe(
          request_.build_id(), [weak = weak_from_this()](const std::shared_ptr<const v1::Build>&) {
            if (auto stream = weak.lock()) stream->BuildChanged();
          });
    }
    Ask();
  }

 private:
  // Asks the core how the step is, and goes on with the answer on a thread that may read disks.
  void Ask() {
    const bool posted =
        loop_->Query([weak = weak_from_this(), readers = readers_, build = request_.build_id(),
                      step = request_.step_id()](const core::Core& core) {
          readers->Post([weak, found = Look(core, build, step)] {
            if (auto stream = weak.lock()) stream->Continue(found);
          });
        });
    if (!posted) End({grpc::StatusCode::UNAVAILABLE, "the controller is stopping"});
  }

  // Called with the core's answer.
  void Continue(const Found& found) {
    if (!found.status.ok()) return End(found.status);
    found_ = found;
    const int wanted = request_.attempt() != 0 ? request_.attempt() : found.attempt;
    if (wanted > found.attempt) {
      return End(
          {grpc::StatusCode::NOT_FOUND, absl::StrCat("step \"", request_.step_id(), "\" has had ",
                                                     found.attempt, " attempts, not ", wanted)});
    }
    if (wanted == 0) {
      if (!request_.follow() || found.terminal) return WriteLast();
      return WaitForBuild();
    }
    if (wanted != attempt_) {
      if (attempt_ != 0) offset_ = 0;  // the step is tried again
      attempt_ = wanted;
    }
    Pump();
  }

  core::AttemptKey Key() const { return {request_.build_id(), found_.step, attempt_}; }

  // Sends what there is, or waits for more.
  void Pump() {
    auto chunk = logs_->Read(Key(), offset_, kChunkBytes);
    if (!chunk.ok()) return End(rpc::ToGrpc(chunk.status()));
    if (!chunk->records.empty()) {
      message_.Clear();
      message_.set_attempt(attempt_);
      for (log::Record& record : chunk->records) {
        offset_ = record.offset + static_cast<int64_t>(record.bytes.size());
        v1::LogRecord* to = message_.add_records();
        to->set_offset(record.offset);
        to->set_stream(record.stream == log::Stream::kStderr ? v1::LOG_STREAM_STDERR
                                                             : v1::LOG_STREAM_STDOUT);
        *to->mutable_time() = wire::ToProto(record.time);
        to->set_data(std::move(record.bytes));
      }
      return Write();
    }
    const bool superseded = attempt_ < found_.attempt;
    const bool current_ended =
        !superseded && found_.terminal && (found_.log_end < 0 || offset_ >= found_.log_end);
    if (!request_.follow() || (current_ended) || (superseded && request_.attempt() != 0)) {
      return WriteLast();
    }
    if (chunk->complete && found_.terminal) return WriteLast();
    if (chunk->complete || superseded) {
      // This attempt's log has ended and the step has not: either its result is about to come, or
      // another attempt is.
      if (request_.attempt() != 0 && chunk->complete) return WriteLast();
      return WaitForBuild();
    }
    WaitForLog();
  }

  void WaitForLog() {
    {
      absl::MutexLock lock(&mutex_);
      if (finished_) return;
      waiting_ = true;  // a change of the step ends the wait too
    }
    if (waiter_ != 0) logs_->Cancel(Key(), waiter_);
    waiter_ = logs_->NotifyBeyond(Key(), offset_, [weak = weak_from_this()] {
      if (auto stream = weak.lock()) stream->Wake();
    });
    RecheckBuild();
  }

  void WaitForBuild() {
    {
      absl::MutexLock lock(&mutex_);
      if (finished_) return;
      waiting_ = true;
    }
    RecheckBuild();
  }

  // A change between the core's answer and the wait must not be missed.
  void RecheckBuild() {
    bool changed;
    {
      absl::MutexLock lock(&mutex_);
      changed = std::exchange(build_changed_, false);
    }
    if (changed) Wake();
  }

  void Wake() {
    {
      absl::MutexLock lock(&mutex_);
      if (finished_ || !waiting_) return;
      waiting_ = false;
    }
    Ask();
  }

  void BuildChanged() {
    {
      absl::MutexLock lock(&mutex_);
      if (!waiting_) {
        build_changed_ = true;
        return;
      }
    }
    Wake();
  }

  void WriteLast() {
    message_.Clear();
    message_.set_attempt(attempt_);
    message_.set_complete(true);
    last_ = true;
    Write();
  }

  void Write() {
    {
      absl::MutexLock lock(&mutex_);
      if (finished_) return;
    }
    StartWrite(&message_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(grpc::Status::CANCELLED);
    if (last_) return End(grpc::Status::OK);
    Ask();
  }

  void OnCancel() override { End(grpc::Status::CANCELLED); }

  void End(grpc::Status status) {
    {
      absl::MutexLock lock(&mutex_);
      if (finished_) return;
      finished_ = true;
    }
    Finish(std::move(status));
  }

  void OnDone() override { self_.reset(); }

  const v1::ReadLogRequest request_;
  Loop* const loop_;
  LogStore* const logs_;
  BuildWatchers* const watchers_;
  WorkerPool* const readers_;
  std::shared_ptr<LogReadStream> self_;
  int64_t subscription_ = 0;
  int64_t waiter_ = 0;

  // Of the thing that is under way.
  Found found_;
  int attempt_ = 0;
  int64_t offset_;
  v1::LogChunk message_;
  bool last_ = false;

  absl::Mutex mutex_;
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;
  bool build_changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

grpc::ServerWriteReactor<v1::LogChunk>* NewLogReadStream(const v1::ReadLogRequest& request,
                                                         Loop* loop, LogStore* logs,
                                                         BuildWatchers* watchers,
                                                         WorkerPool* readers) {
  auto stream = std::make_shared<LogReadStream>(request, loop, logs, watchers, readers);
  stream->Begin();
  return stream.get();  // it holds itself until OnDone
}

}  // namespace rally::controller
