#ifndef RALLY_AGENT_EXECUTOR_RIG_FOR_TEST_H_
#define RALLY_AGENT_EXECUTOR_RIG_FOR_TEST_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/executor.h"
#include "agent/runtime/fake_runtime.h"
#include "agent/workspace/workspace_store.h"

namespace rally::agent {

// Workspaces without mounts: it remembers what was asked of it. Survives a restart of the rig.
class FakeWorkspaces : public workspace::WorkspaceStore {
 public:
  absl::StatusOr<std::string> CreateMountPoint(const std::string& attempt) override;
  absl::Status EnsureTree(const blob::Digest& root, absl::Time deadline) override;
  absl::Status Mount(const std::string& attempt, const blob::Digest& root, uint32_t uid,
                     uint32_t gid) override;
  absl::StatusOr<CaptureResult> Capture(const std::string& attempt,
                                        const runtime::CallLimits& limits) override;
  absl::StatusOr<std::vector<blob::Digest>> FindLost(const blob::Digest& root,
                                                     absl::Time deadline) override;
  std::vector<blob::Digest> SendAgain(absl::Span<const blob::Digest> blobs,
                                      absl::Time deadline) override;
  absl::Status Discard(const std::string& attempt) override;
  std::vector<std::string> Attempts() const override;
  bool HasTree(const blob::Digest& root) const override;
  void KeepBudget(int64_t) override {}
  void FinishBackgroundWork() override {}

  // What FindLost finds, and what SendAgain has, from now on.
  void Lose(std::vector<blob::Digest> lost);
  void Keep(std::vector<blob::Digest> kept);
  // From now on captures take until their limits end them.
  void HoldCaptures();
  // The next calls of a method fail so.
  void FailNext(const std::string& method, absl::Status status, int times = 1);
  int CallCount(const std::string& method) const;
  // "hash:uid:gid" of what is mounted for an attempt, "" for nothing.
  std::string Mounted(const std::string& attempt) const;

 private:
  absl::Status Enter(const std::string& method) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::map<std::string, std::string> attempts_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<absl::Status>> failures_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> calls_ ABSL_GUARDED_BY(mutex_);
  bool captures_held_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<blob::Digest> lost_ ABSL_GUARDED_BY(mutex_);
  std::vector<blob::Digest> kept_ ABSL_GUARDED_BY(mutex_);
};

// A sink that takes logs and says that they are durable when the test wants.
class FakeLogSink : public LogSink {
 public:
  void Add(const v1::AttemptKey& key, std::shared_ptr<logs::AttemptLog> log,
           absl::optional<int64_t> from) override;
  void Resume(const v1::AttemptKey& key, int64_t offset) override;
  void CloseAt(const v1::AttemptKey& key, int64_t end) override;
  void Drop(const v1::AttemptKey& key) override;

  void Clear();
  bool Has(const std::string& attempt) const;
  // Both streams' bytes of a log that the sink has.
  std::string Text(const std::string& attempt) const;

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<logs::AttemptLog>> logs_ ABSL_GUARDED_BY(mutex_);
};

// An executor on a fake runtime, with a real journal and a real keeper, which can be killed and
// started again on what it left.
class ExecutorRig {
 public:
  explicit ExecutorRig(int slots = 2);
  ~ExecutorRig();

  // Ends the executor as a stop of the service does: steps go on.
  void Stop();
  // A new executor on the same host and data. OK also when one runs: it's stopped first.
  void Restart(bool rebooted = false);

  Executor& executor() { return *executor_; }
  runtime::FakeHost& host() { return host_; }
  FakeWorkspaces& workspaces() { return workspaces_; }
  FakeLogSink& logs() { return logs_; }
  Journal& journal() { return *journal_; }
  Outbox& outbox() { return *outbox_; }
  StepLimits& limits() { return limits_; }  // For the next Restart().

  v1::Prepare Prepare(int step, int attempt = 1) const;
  v1::StartGrant Grant(int step, absl::Duration timeout = absl::Minutes(10), int attempt = 1) const;
  v1::Cancel Cancel(int step, bool discard, int attempt = 1) const;
  static v1::AttemptKey Key(int step, int attempt = 1);

  // The next message to the controller of the kind wanted; others before it are dropped. An empty
  // one after ten seconds.
  v1::AgentMessage Await(v1::AgentMessage::MessageCase kind);
  // Prepares, grants and waits until it runs.
  void Run(int step, absl::Duration timeout = absl::Minutes(10));
  // Acknowledges result and log, and waits until nothing is left of the attempt.
  void Acknowledge(int step);
  // Whether no trace is left of an attempt: container, workspace, spool, FIFOs, record.
  bool IsGone(int step) const;
  bool AwaitGone(int step) const;
  // Until the executor holds no attempt, not even to clean up.
  bool AwaitIdle() const;

 private:
  void Start(bool rebooted);

  const int slots_;
  std::string directory_;
  runtime::FakeHost host_;
  FakeWorkspaces workspaces_;
  FakeLogSink logs_;
  StepLimits limits_;

  std::unique_ptr<DataDirectory> data_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<runtime::FakeRuntime> runtime_;
  std::unique_ptr<logs::KeeperClient> keeper_;
  std::unique_ptr<StepClock> clock_;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<Executor> executor_;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_EXECUTOR_RIG_FOR_TEST_H_
