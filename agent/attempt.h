#ifndef RALLY_AGENT_ATTEMPT_H_
#define RALLY_AGENT_ATTEMPT_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "agent/attempt_tools.h"
#include "agent/core/attempt_phase.h"
#include "agent/core/reconcile.h"
#include "agent/runtime/cancellation.h"
#include "common/blob/digest.h"
#include "rally/v1/agent.pb.h"
#include "rally/v1/agent_journal.pb.h"

namespace rally::agent {

// One attempt on this agent, from Prepare to its result: a thread that goes straight through image,
// container, grant, process, log and capture, and the orders that reach it meanwhile. It doesn't
// clean up behind itself, and doesn't know other attempts.
// Ownership: owns its thread and shares its log; the tools outlive it.
// Threads: thread-safe; the orders come from the session's thread, endings from the step clock's.
// Blocking: orders never, but for the journal. Join() until the thread is done.
// Errors: none come out; an attempt always ends in one of the ways of Left.
class Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  // How the thread left the attempt.
  enum class Left {
    kRejected,  // It was rejected and needs cleaning up.
    kEnded,     // Its result is in the journal; its container needs cleaning up.
    kDropped,   // Nobody wants it any more; everything needs cleaning up.
    kDetached,  // The agent stops; the step goes on without it.
  };
  // Called last on the attempt's thread, before the result is sent.
  using OnLeft = std::function<void(const std::shared_ptr<Attempt>& attempt, Left left)>;

  // A new one.
  Attempt(const AttemptTools& tools, const v1::Prepare& prepare, OnLeft on_left);
  // One of an earlier process; `recovery` is any but kDiscard.
  Attempt(const AttemptTools& tools, const v1::AttemptRecord& record, Recovery recovery,
          OnLeft on_left);
  ~Attempt();

  // `first` is what the thread does before anything else.
  void Start(std::function<void()> first = nullptr);
  void Join();

  // Orders of the controller. Each returns what was done, for the caller to do the rest of
  // (kForget, and kDrop for an attempt whose thread has left).
  Response OnPrepare() ABSL_LOCKS_EXCLUDED(mutex_);
  Response OnStartGrant(const v1::StartGrant& grant) ABSL_LOCKS_EXCLUDED(mutex_);
  Response OnCancel(const v1::Cancel& cancel) ABSL_LOCKS_EXCLUDED(mutex_);
  Response OnResultAck() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnLogDurable() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the thread as soon as its present call allows it, and leaves the step running.
  void Detach() ABSL_LOCKS_EXCLUDED(mutex_);

  // Sends what the controller should know by now.
  void Report() ABSL_LOCKS_EXCLUDED(mutex_);
  v1::AttemptReport Summary() const ABSL_LOCKS_EXCLUDED(mutex_);
  // What it is at before its process runs, for people: "pulling image alpine:3.18"; "" when it
  // waits for an order, or runs.
  std::string activity() const ABSL_LOCKS_EXCLUDED(mutex_);

  Phase phase() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool granted() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether its result is acknowledged and its log is durable.
  bool forgettable() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool left() const ABSL_LOCKS_EXCLUDED(mutex_);
  const v1::AttemptKey& key() const { return key_; }
  const std::string& name() const { return name_; }

  // Gives up the log, so that its files can be removed.
  void ReleaseLog() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Why the thread can't go on; OK from the steps below means that it can.
  struct Failure {
    // Of image and container: the code tells whether another host may do better.
    Failure(const absl::Status& status, std::string doing);
    Failure(const absl::Status& status, std::string doing, bool may_retry)
        : status(status), doing(std::move(doing)), may_retry(may_retry) {}

    absl::Status status;
    std::string doing;  // "pulling image X"
    bool may_retry;
    std::vector<blob::Digest> missing;  // Of the input tree: nowhere to be had.
  };

  // How long ago that was on the boot clock.
  static google::protobuf::Duration SinceBootTime(int64_t nanos);

  void Run();
  Left Work();
  // The steps in their order. A failure that comes from being told to stop is sorted out by GiveUp.
  absl::optional<Failure> Prepare();
  absl::optional<Failure> MakeContainer(const runtime::Image& image);
  absl::optional<Failure> OpenLog(absl::optional<int64_t> send_from);
  bool AwaitGrant() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::optional<Failure> Begin();
  absl::optional<Failure> Mount();
  absl::optional<Failure> ImportImage(const std::string& image);
  Left Supervise();
  absl::StatusOr<runtime::ContainerExit> AwaitExit();
  // Whether the step's command was never executed; then the result says why.
  bool NoteFailedStart(v1::Result* result);
  int64_t FinishLog();
  void Capture(const runtime::ContainerExit& exit, v1::Result* result);
  // Which blobs of the input tree are the reason, when it is that they are lost.
  std::vector<blob::Digest> FindLost(const absl::Status& status);
  Left GiveUp(const Failure& failure);
  Left End(v1::Result result);
  v1::Result NewResult(v1::EndKind kind) const;

  // Writes the record as it is now. Ordered, so that the newest state is written last.
  absl::Status Persist() ABSL_LOCKS_EXCLUDED(persist_mutex_, mutex_);
  void BeginEnding(v1::EndKind kind, absl::Duration grace) ABSL_LOCKS_EXCLUDED(mutex_);
  void Terminate(absl::Duration grace);
  void Kill();
  void Drop() ABSL_LOCKS_EXCLUDED(mutex_);
  void ArmDeadline(int64_t boot_nanos);
  // attempt_lease.cc: a step that must not run twice at a time ends when nobody is heard.
  bool LeaseIsOut() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WatchLease() ABSL_LOCKS_EXCLUDED(mutex_);
  std::string DescribeLease() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool StopWanted() const ABSL_LOCKS_EXCLUDED(mutex_);
  void SetActivity(std::string activity) ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits before another try; false when the thread should rather stop.
  bool Pause(int tries) ABSL_LOCKS_EXCLUDED(mutex_);
  v1::AttemptRecord record() const ABSL_LOCKS_EXCLUDED(mutex_);

  const AttemptTools tools_;
  const v1::AttemptKey key_;
  const std::string name_;
  const absl::optional<Recovery> recovery_;
  const OnLeft on_left_;

  // Ends the calls that make the container; and those that watch its process, then capture what it
  // left.
  runtime::Cancellation making_;
  runtime::Cancellation watching_;
  std::thread prefetch_;  // Of the input tree; the attempt's thread's own.
  std::thread thread_;

  absl::Mutex persist_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable absl::Mutex mutex_;
  v1::AttemptRecord record_ ABSL_GUARDED_BY(mutex_);
  Phase phase_ ABSL_GUARDED_BY(mutex_) = Phase::kPreparing;
  bool granted_ ABSL_GUARDED_BY(mutex_) = false;
  v1::EndKind ending_ ABSL_GUARDED_BY(mutex_) = v1::END_KIND_UNSPECIFIED;
  absl::Duration ending_grace_ ABSL_GUARDED_BY(mutex_);
  bool process_started_ ABSL_GUARDED_BY(mutex_) = false;  // Start() is being called, or was.
  bool process_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool dropped_ ABSL_GUARDED_BY(mutex_) = false;
  bool detached_ ABSL_GUARDED_BY(mutex_) = false;
  bool left_ ABSL_GUARDED_BY(mutex_) = false;
  bool result_acked_ ABSL_GUARDED_BY(mutex_) = false;
  bool log_durable_ ABSL_GUARDED_BY(mutex_) = false;
  int pauses_over_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string activity_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<logs::AttemptLog> log_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_ATTEMPT_H_
