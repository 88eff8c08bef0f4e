#ifndef RALLY_AGENT_RUNTIME_FAKE_RUNTIME_H_
#define RALLY_AGENT_RUNTIME_FAKE_RUNTIME_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "agent/runtime/container_runtime.h"

namespace rally::runtime {

// What a fake container does once it is started.
struct FakeScript {
  std::string stdout_text, stderr_text;  // Written by Start() to the spec's paths, if these exist.
  bool runs_until_ended = false;         // Else it ends at once: by exit_code, oom_killed.
  int exit_code = 0;
  bool oom_killed = false;
  // What its init adds to the start report: its command isn't executed.
  std::string start_failure;
  std::map<int, int> exit_on_signal;  // Signal -> exit code; others end it with 128 + signal.
};

// The host below FakeRuntimes: containers and images that outlive each of them, as containerd's do,
// and what a test says they do. No processes, files or network, except that scripted output goes to
// the FIFOs that the test opened. Its clock is the real one, read only for exit times.
// Threads: thread-safe. Blocking: never, except writes to FIFOs that nobody reads.
class FakeHost {
 public:
  FakeHost() = default;

  // --- What happens. All may be called at any time.
  void AddImage(const std::string& reference, Image image);
  void SetScript(const std::string& id, FakeScript script);
  void SetDefaultScript(FakeScript script);
  // Ends a running container, as its process would.
  void End(const std::string& id, int exit_code, bool oom_killed = false);
  // The shim is killed: the processes go, and how they ended is lost; the record stays.
  void LoseTask(const std::string& id);
  // The record goes, the processes stay.
  void LoseRecord(const std::string& id);
  // The next calls of a method ("Create", "EnsureImage", ...), as many as given, fail so.
  void FailNext(const std::string& method, absl::Status status, int times = 1);
  // Calls of a method block until Release() or their limits.
  void Hold(const std::string& method);
  void Release(const std::string& method);

  // --- What happened.
  int CallCount(const std::string& method) const;
  // The spec of a container that exists or existed; its last one.
  absl::StatusOr<ContainerSpec> SpecOf(const std::string& id) const;
  std::vector<int> SignalsTo(const std::string& id) const;
  bool Exists(const std::string& id) const;

 private:
  friend class FakeRuntime;
  struct Container {
    bool has_record = true;
    ContainerState state = ContainerState::kCreated;
    int pid = 0;
    std::map<std::string, std::string> labels;
    ContainerExit exit;
    std::vector<int> open_fds;  // As a shim holds them, until the process ends.
  };

  // Counts the call; blocks while the method is held; then the injected failure, if any.
  absl::Status Enter(const std::string& method, const CallLimits& limits) const;
  void EndLocked(Container& container, int exit_code, bool oom_killed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  FakeScript ScriptOf(const std::string& id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for a condition of the state, or the limits.
  absl::Status AwaitLocked(const std::function<bool()>& condition, const CallLimits& limits,
                           const std::string& what) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::map<std::string, Container> containers_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, ContainerSpec> specs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<int>> signals_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Image> images_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, FakeScript> scripts_ ABSL_GUARDED_BY(mutex_);
  FakeScript default_script_ ABSL_GUARDED_BY(mutex_);
  mutable std::map<std::string, int> calls_ ABSL_GUARDED_BY(mutex_);
  mutable std::map<std::string, std::vector<absl::Status>> failures_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, bool> held_ ABSL_GUARDED_BY(mutex_);
  int next_pid_ ABSL_GUARDED_BY(mutex_) = 1000;
};

// ContainerRuntime on a FakeHost; a new one on the same host is a restarted agent.
class FakeRuntime : public ContainerRuntime {
 public:
  explicit FakeRuntime(FakeHost* host) : host_(*host) {}

  absl::Status Check() override;
  absl::StatusOr<Image> EnsureImage(const ImageRequest& request, CallLimits limits) override;
  absl::StatusOr<Image> ImportImage(const OciImageRequest& request, CallLimits limits) override;
  absl::Status Create(const ContainerSpec& spec, CallLimits limits) override;
  absl::StatusOr<int> Start(const std::string& id) override;
  absl::StatusOr<ContainerExit> Wait(const std::string& id, Cancellation* cancellation) override;
  absl::Status Signal(const std::string& id, int signal, bool all) override;
  absl::Status Delete(const std::string& id) override;
  absl::StatusOr<std::vector<ContainerStatus>> List() override;

 private:
  absl::StatusOr<Image> FindImage(const std::string& reference, const CallLimits& limits) const;

  FakeHost& host_;  // Outlives this.
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_FAKE_RUNTIME_H_
