#ifndef RALLY_AGENT_EXECUTOR_H_
#define RALLY_AGENT_EXECUTOR_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "agent/attempt.h"
#include "agent/attempt_tools.h"
#include "agent/controller_contact.h"
#include "agent/lost_blob_sender.h"
#include "agent/reaper.h"
#include "rally/v1/agent.pb.h"

namespace rally::agent {

// The attempts that this agent holds: takes the controller's orders to the right one, finds them
// again after a restart, and cleans up behind them. It speaks to the controller only through the
// outbox, and starts nothing that wasn't granted in this process's life.
// Ownership: owns the attempts and the reaper; the tools outlive it.
// Threads: thread-safe. Blocking: Recover() on the runtime and the journal, Stop() until the
// attempts' present calls end; orders don't block.
// Errors: those of Recover(); an order's failure is reported as the protocol says.
class Executor {
 public:
  Executor(const AttemptTools& tools, int slots);
  ~Executor();

  // Takes up what the journal and the runtime have from earlier processes. Call it once, before any
  // order. Unavailable when the runtime doesn't answer.
  absl::Status Recover(bool rebooted);

  // Orders, any number of times each.
  void OnPrepare(const v1::Prepare& prepare);
  void OnStartGrant(const v1::StartGrant& grant);
  void OnCancel(const v1::Cancel& cancel);
  void OnResultAck(const v1::AttemptKey& key);
  void OnVerdict(const v1::AttemptVerdict& verdict);
  void OnUploadBlobs(const v1::UploadBlobs& request) { lost_blobs_.Take(request); }
  // The controller answered what was sent at that boot time.
  void OnHeard(int64_t sent_boot_nanos) { contact_.HeardAt(sent_boot_nanos); }
  // The controller has all of its log.
  void OnLogDurable(const v1::AttemptKey& key);

  // What a Hello says.
  std::vector<v1::AttemptReport> Summaries() const;
  // What a heartbeat says of those that are on their way to their process.
  std::vector<v1::AttemptActivity> Activities() const;
  // Every attempt says again where it stands; what a new session begins with.
  void ReportAll();
  // The same for the results that nobody has acknowledged.
  void ReportResults();

  int FreeSlots() const;
  bool HoldsNothing() const;

  // Ends the threads. Steps go on without them, unless `end_steps`: then everything is killed and
  // removed.
  void Stop(bool end_steps);

 private:
  std::shared_ptr<Attempt> Find(const v1::AttemptKey& key) const ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::shared_ptr<Attempt>> All() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Reject(const v1::AttemptKey& key, v1::RejectCause cause, const std::string& message);
  absl::Status TakeUp(const v1::AttemptRecord& record, const runtime::ContainerStatus* container,
                      bool rebooted);
  void RemoveStrangers(const std::vector<runtime::ContainerStatus>& containers);

  void OnLeft(const std::shared_ptr<Attempt>& attempt, Attempt::Left left);
  // Both on the reaper's thread.
  absl::Status CleanContainer(const std::string& name);
  absl::Status Forget(const std::shared_ptr<Attempt>& attempt);
  void ForgetLater(const std::shared_ptr<Attempt>& attempt) ABSL_LOCKS_EXCLUDED(mutex_);
  // Until nothing of an earlier attempt of that name is being removed any more.
  void AwaitGone(const std::string& name) ABSL_LOCKS_EXCLUDED(mutex_);

  ControllerContact contact_;
  const AttemptTools tools_;
  const int slots_;

  mutable absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<Attempt>> attempts_ ABSL_GUARDED_BY(mutex_);
  // What is being removed, and isn't held for the controller any more; null for a stranger. The
  // controller may send the same attempt again meanwhile.
  std::map<std::string, std::shared_ptr<Attempt>> leaving_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  LostBlobSender lost_blobs_;
  Reaper reaper_;  // Last: its work uses the rest.
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_EXECUTOR_H_
