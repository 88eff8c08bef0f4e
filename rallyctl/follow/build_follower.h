#ifndef RALLY_RALLYCTL_FOLLOW_BUILD_FOLLOWER_H_
#define RALLY_RALLYCTL_FOLLOW_BUILD_FOLLOWER_H_

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rally/v1/build.grpc.pb.h"
#include "rallyctl/follow/backoff.h"
#include "rallyctl/follow/server_stream.h"

namespace rally::rallyctl {

// Who is told what a BuildFollower sees; all calls come from the thread inside Run.
class FollowListener {
 public:
  virtual ~FollowListener() = default;
  virtual void OnBuild(const v1::Build& build, absl::Time now) = 0;
  // In order and without gaps or repeats for one attempt. `step` counts from 0 in the file's order.
  virtual void OnLog(int step, int attempt, const v1::LogRecord& record) = 0;
  // The step has ended and all of its log was delivered (or it has none).
  virtual void OnStepComplete(int step) = 0;
  virtual void OnConnectionLost(const absl::Status& why) = 0;
  virtual void OnConnectionRestored() = 0;
  // Nothing more has arrived for now: show what there is.
  virtual void Flush(absl::Time now) = 0;
  // When Flush is due even if nothing arrives.
  virtual absl::Time NextFlush(absl::Time now) = 0;
};

struct FollowOptions {
  std::string build_id;
  // Which steps' logs to read; all when empty.
  std::string only_step;
  bool with_logs = true;
  // How long the controller may be away before following is given up.
  absl::Duration reconnect_bound = absl::Minutes(5);
  // How long to wait, after the end of the build, for logs that are still on their way.
  absl::Duration log_grace = absl::Seconds(10);
};

// Follows a build until it has ended and its logs are complete: its state, and the log of every
// step under way at the same time. Survives restarts of the controller: each stream is begun again
// where it stopped.
//
// It shows nothing itself.
// Ownership: the stub and the listener outlive it.
// Threads: Run on one thread, once; Interrupt from any thread.
// Blocking: Run, until the build has ended; it never polls.
// Errors: Cancelled after Interrupt, NotFound for an unknown build, Unavailable when the controller
// stayed away for longer than the bound.
class BuildFollower {
 public:
  BuildFollower(v1::BuildService::Stub* stub, FollowOptions options, FollowListener* listener);
  ~BuildFollower();

  absl::StatusOr<v1::Build> Run();
  void Interrupt();

 private:
  using WatchStream = ServerStream<v1::Build>;
  using LogStream = ServerStream<v1::LogChunk>;

  struct StepLog {
    int attempt = 0;
    int64_t next_offset = 0;
    bool queued = false;     // waits for a free stream
    bool delivered = false;  // nothing more will come for this attempt
    bool announced = false;  // OnStepComplete was called
    LogStream* stream = nullptr;
    Backoff backoff;
    absl::Time retry_at = absl::InfiniteFuture();
  };

  class Wakeup final : public CompletionTag {
   public:
    void Complete(bool) override {}
  };

  void StartWatch();
  void OnBuild(v1::Build build);
  void OnWatchEnd(const grpc::Status& status);

  bool WantsLog(int step) const;
  void StartQueuedLogs();
  void StartLog(int step);
  void OnLogChunk(int step, int attempt, v1::LogChunk chunk);
  void OnLogEnd(int step, LogStream* stream, const grpc::Status& status);
  void FinishLogIfDelivered(int step);
  void ForgetStream(LogStream* stream);

  void OnFailure(const grpc::Status& status);
  void OnSuccess();
  void StartDueRetries(absl::Time now);
  absl::Time NextWakeup(absl::Time now) const;
  bool Finished(absl::Time now) const;
  bool HandleEvent(absl::Time deadline);
  void Drain();

  v1::BuildService::Stub* const stub_;
  const FollowOptions options_;
  FollowListener* const listener_;

  grpc::CompletionQueue queue_;
  absl::Mutex interrupt_mu_;
  Wakeup wakeup_;
  grpc::Alarm interrupt_alarm_ ABSL_GUARDED_BY(interrupt_mu_);
  std::atomic<bool> interrupted_{false};

  std::unique_ptr<WatchStream> watch_;
  Backoff watch_backoff_;
  absl::Time watch_retry_at_ = absl::InfiniteFuture();
  std::vector<std::unique_ptr<LogStream>> log_streams_;
  std::deque<int> log_queue_;
  size_t max_log_streams_;

  v1::Build build_;
  bool has_build_ = false;
  std::vector<StepLog> logs_;
  int incomplete_steps_ = 0;  // ended or not, without OnStepComplete
  absl::Time last_progress_;  // the last message of any stream
  absl::Time outage_since_ = absl::InfiniteFuture();
  absl::Status fatal_;
  bool draining_ = false;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FOLLOW_BUILD_FOLLOWER_H_
