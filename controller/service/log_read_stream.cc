#include "controller/service/log_read_stream.h"

#include <grpcpp/alarm.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/rpc/status.h"
#include "controller/service/cut_off.h"
#include "controller/wire/value_wire.h"

namespace rally::controller {
namespace {

constexpr int64_t kChunkBytes = 256 * 1024;
constexpr absl::Duration kLookAgain = absl::Seconds(1);
// For the rest of an ended step's log, when the reader doesn't follow.
constexpr absl::Duration kPatience = absl::Seconds(30);

// What the core knows of the step when it is asked.
struct Found {
  grpc::Status status;
  int step = 0;
  int attempt = 0;  // current
  bool terminal = false;
  int64_t log_end = 0;      // of the current attempt, once it has ended
  bool agent_gone = false;  // nothing comes from the agent that had it
};

// `hint` is where the step was found before.
Found Look(const core::Core& core, const std::string& build_id, const std::string& step_id,
           size_t hint) {
  Found found;
  const core::Build* build = core.FindBuild(build_id);
  if (build == nullptr) {
    found.status = {grpc::StatusCode::NOT_FOUND,
                    absl::StrCat("there is no build \"", build_id, "\"")};
    return found;
  }
  const auto is_it = [&](const core::Step& step) { return step.definition.spec.id == step_id; };
  auto step = build->steps.begin() + std::min(hint, build->steps.size());
  if (step == build->steps.end() || !is_it(*step)) {
    step = std::find_if(build->steps.begin(), build->steps.end(), is_it);
  }
  if (step == build->steps.end()) {
    found.status = {grpc::StatusCode::NOT_FOUND,
                    absl::StrCat("build ", build_id, " has no step \"", step_id, "\"")};
    return found;
  }
  found.step = static_cast<int>(step - build->steps.begin());
  found.attempt = step->attempt;
  found.terminal = core::IsTerminal(step->status);
  found.log_end = step->log_end;
  const auto agent = core.Agents().find(step->agent);
  found.agent_gone =
      agent == core.Agents().end() || agent->second.liveness == core::Liveness::kLost;
  return found;
}

// One thing is done for the stream at a time, and what does it decides what comes next: a question
// to the core, a look at the log, a write. When there is nothing to do the stream rests until
// somebody wakes it. Only what is being done may finish the stream, so that nothing follows Finish.
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
        attempt_(request.attempt()),
        offset_(request.offset()) {}

  void Begin() {
    self_ = shared_from_this();
    if (request_.offset() < 0 || request_.attempt() < 0) {
      return End({grpc::StatusCode::INVALID_ARGUMENT, "offset and attempt can't be negative"});
    }
    if (request_.follow()) {
      subscription_ = watchers_->Subscribe(
          request_.build_id(), [weak = weak_from_this()](const std::shared_ptr<const v1::Build>&) {
            if (auto stream = weak.lock()) stream->Wake();
          });
    }
    Ask();
  }

 private:
  // kDoing becomes kResting by Rest and kFinished by End, kResting becomes kDoing by Wake and
  // kFinished by OnCancel.
  enum class State { kDoing, kResting, kFinished };

  // Asks the core how the step is, and goes on with the answer on a thread that may read disks.
  void Ask() {
    {
      absl::MutexLock lock(&mutex_);
      woken_ = false;  // what happened before is seen now
    }
    const bool posted =
        loop_->Query([weak = weak_from_this(), readers = readers_, build = request_.build_id(),
                      step = request_.step_id(), hint = found_.step](const core::Core& core) {
          readers->Post([weak, found = Look(core, build, step, hint)] {
            if (auto stream = weak.lock()) stream->Continue(found);
          });
        });
    if (!posted) End({grpc::StatusCode::UNAVAILABLE, "the controller has too much to do"});
  }

  void Continue(const Found& found) {
    if (IsCancelled()) return End(CutOff());
    if (!found.status.ok()) return End(found.status);
    found_ = found;
    if (attempt_ > found.attempt) {
      return End({grpc::StatusCode::NOT_FOUND,
                  absl::StrCat("step \"", request_.step_id(), "\" has had ", found.attempt,
                               found.attempt == 1 ? " attempt" : " attempts", ", not ", attempt_)});
    }
    if (attempt_ == 0) attempt_ = found.attempt;
    if (attempt_ != 0) return Pump();
    if (found.terminal || !request_.follow()) return WriteLast();
    Rest();
  }

  core::AttemptKey Key() const { return {request_.build_id(), found_.step, attempt_}; }

  // Sends what there is, or waits for more.
  void Pump() {
    auto chunk = logs_->Read(Key(), offset_, kChunkBytes);
    if (!chunk.ok()) return End(rpc::ToGrpc(chunk.status()));
    if (!chunk->records.empty()) return WriteChunk(chunk->records);
    // The result of a step may be known before the last of its log, which comes on another
    // connection: what has ended is shown as a whole, even to who doesn't follow.
    const bool may_wait = request_.follow() || (found_.terminal && absl::Now() < patience_end_);
    if (!may_wait) return WriteLast();
    const bool one_attempt = request_.attempt() != 0;
    if (attempt_ < found_.attempt) {
      if (one_attempt || !request_.follow()) return WriteLast();
      attempt_ = found_.attempt;  // all of the last one was sent, and the step was tried again
      offset_ = 0;
      return Pump();
    }
    if (found_.terminal && (offset_ >= found_.log_end || chunk->complete || found_.agent_gone)) {
      return WriteLast();
    }
    if (chunk->complete && one_attempt) return WriteLast();
    StopWaitingForLog();
    // A log that is complete before its step has ended: the result is about to come, or another
    // attempt is.
    if (!chunk->complete) {
      waits_for_ = Key();
      waiter_ = logs_->NotifyBeyond(waits_for_, offset_, [weak = weak_from_this()] {
        if (auto stream = weak.lock()) stream->Wake();
      });
    }
    if (found_.terminal) LookAgainSoon();
    Rest();
  }

  // Nobody says when the agent of a step that has ended is lost, with the rest of the log.
  void LookAgainSoon() {
    look_again_ = std::make_unique<grpc::Alarm>();
    look_again_->Set(absl::ToChronoTime(absl::Now() + kLookAgain),
                     [weak = weak_from_this()](bool due) {
                       // One that is replaced by the next wakes nobody.
                       if (!due) return;
                       if (auto stream = weak.lock()) stream->Wake();
                     });
  }

  void StopWaitingForLog() {
    if (waiter_ != 0) logs_->Cancel(waits_for_, std::exchange(waiter_, 0));
  }

  void Rest() {
    bool cancelled;
    {
      absl::MutexLock lock(&mutex_);
      cancelled = cancelled_;
      if (!cancelled && !woken_) {
        state_ = State::kResting;
        return;
      }
    }
    if (cancelled) return End(CutOff());
    Ask();
  }

  void Wake() {
    {
      absl::MutexLock lock(&mutex_);
      if (state_ != State::kResting) {
        woken_ = true;
        return;
      }
      state_ = State::kDoing;
    }
    Ask();
  }

  void WriteChunk(std::vector<log::Record>& records) {
    message_.Clear();
    message_.set_attempt(attempt_);
    for (log::Record& record : records) {
      offset_ = record.offset + static_cast<int64_t>(record.bytes.size());
      v1::LogRecord* to = message_.add_records();
      to->set_offset(record.offset);
      to->set_stream(record.stream == log::Stream::kStderr ? v1::LOG_STREAM_STDERR
                                                           : v1::LOG_STREAM_STDOUT);
      *to->mutable_time() = wire::ToProto(record.time);
      to->set_data(std::move(record.bytes));
    }
    StartWrite(&message_);
  }

  void WriteLast() {
    message_.Clear();
    message_.set_attempt(attempt_);
    message_.set_complete(true);
    last_ = true;
    StartWrite(&message_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(CutOff());
    if (last_) return End(grpc::Status::OK);
    Ask();
  }

  bool IsCancelled() {
    absl::MutexLock lock(&mutex_);
    return cancelled_;
  }

  // Called by what is being done, at its end.
  void End(grpc::Status status) {
    {
      absl::MutexLock lock(&mutex_);
      state_ = State::kFinished;
    }
    Finish(std::move(status));
  }

  void OnCancel() override {
    {
      absl::MutexLock lock(&mutex_);
      cancelled_ = true;
      if (state_ != State::kResting) return;  // what is being done will see it
      state_ = State::kFinished;
    }
    Finish(CutOff());
  }

  void OnDone() override {
    // Not in the destructor, which may run within the very call that these would wait for.
    if (subscription_ != 0) watchers_->Unsubscribe(request_.build_id(), subscription_);
    StopWaitingForLog();
    look_again_.reset();
    self_.reset();
  }

  const v1::ReadLogRequest request_;
  Loop* const loop_;
  LogStore* const logs_;
  BuildWatchers* const watchers_;
  WorkerPool* const readers_;
  std::shared_ptr<LogReadStream> self_;
  int64_t subscription_ = 0;

  // Of what is being done.
  Found found_;
  int attempt_;  // 0: not known yet which
  int64_t offset_;
  core::AttemptKey waits_for_;
  int64_t waiter_ = 0;
  const absl::Time patience_end_ = absl::Now() + kPatience;
  std::unique_ptr<grpc::Alarm> look_again_;
  v1::LogChunk message_;
  bool last_ = false;

  absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kDoing;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;  // while something was being done
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
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
