#ifndef RALLY_AGENT_RUNTIME_CONTAINER_RUNTIME_H_
#define RALLY_AGENT_RUNTIME_CONTAINER_RUNTIME_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/runtime/call_limits.h"
#include "agent/runtime/cancellation.h"

namespace rally::runtime {

// An image at a registry.
struct ImageRequest {
  // As Docker normalises it: host/repository:tag, host/repository@sha256:..., or both.
  std::string reference;
};

// An image in an input tree: `image = "oci:PATH[@sha256:...]"`.
struct OciImageRequest {
  int root_fd = -1;    // The directory that `path` may not leave; borrowed for the call.
  std::string path;    // An OCI layout directory, or a plain tar of one.
  std::string digest;  // Which manifest of it; "" = the only one.
};

// Who a step runs as, in the numbers of the image's own /etc/passwd and /etc/group.
struct ImageUser {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> additional_gids;
  std::string home;  // "" when the image's /etc/passwd doesn't say.
};

// An image that is complete, verified and unpacked on this host.
struct Image {
  std::string name;    // In the runtime's own store.
  std::string digest;  // "sha256:..." of the manifest or index that the reference resolved to.
  std::string top_chain_id;  // The unpacked root filesystem.
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::vector<std::string> env;  // "NAME=value".
  std::string working_dir;
  std::string user;  // As the image's configuration says it; `account` is what it means.
  ImageUser account;
  int64_t size_bytes = 0;  // Of its layers, as stored.
};

enum class StepNetwork {
  kNone,  // Only a loopback interface of its own.
  kHost,  // The host's network, with its resolv.conf and hosts files.
};

// One container: everything that makes an attempt's process what it is.
struct ContainerSpec {
  std::string id;  // BUILD-INDEX-ATTEMPT; unique on the host.
  std::map<std::string, std::string>
      labels;  // Returned by List(); key and value <= 4096 bytes together.
  Image image;
  std::vector<std::string> args;                          // Empty: the image's own command.
  std::string entry_point;                                // "": the image's own; then `args` only.
  std::vector<std::pair<std::string, std::string>> envs;  // Win over the image's.
  std::string work_dir;  // Relative: below /workspace. Created when missing. "" = /workspace.
  std::string
      workspace_source;   // A MS_SHARED mount point on the host, bound to /workspace as rslave;
                          // what is mounted there until Start() is what the step sees.
  std::string init_path;  // On the host: a file holding agent/init's EmbeddedInit(), mode 0755.
  std::string start_report_path;  // On the host, a file that the step's user may write: the init
                                  // empties it just before it executes the step's command, else
                                  // adds why it can't (agent/start_report.h). "": none.
  std::string stdout_path;        // FIFOs, opened for reading by others before Create().
  std::string stderr_path;
  StepNetwork network = StepNetwork::kNone;
  int64_t memory_bytes = 0;  // 0 = no limit. Swap is never given on top.
  int64_t pids = 0;          // 0 = no limit.
  double cpus = 0;           // 0 = all.
};

// How a container's first process ended.
struct ContainerExit {
  int exit_code = 0;        // 128 + n when signal n ended the step; 126 and 127 as shells say them.
  bool oom_killed = false;  // The kernel killed at least one of its processes for memory.
  absl::Time exited_at = absl::InfinitePast();
};

enum class ContainerState {
  kNoTask,   // A record without processes: Create() was interrupted, or the shim was killed.
  kCreated,  // Create() returned, Start() wasn't called.
  kRunning,  // Started and not ended.
  kStopped,  // Ended; Wait() tells how, until Delete().
};

struct ContainerStatus {
  std::string id;
  ContainerState state = ContainerState::kNoTask;
  int pid = 0;  // On the host, of its first process; 0 when there is none.
  std::map<std::string, std::string> labels;  // Empty for an orphan (processes without a record).
};

// The containers and images of one agent on this host. It knows nothing of builds, logs or
// workspaces: FIFOs and mounts are made and read by others.
// Ownership: containers outlive this object and its process; a new one takes them over by List().
// Threads: thread-safe. Two threads must not Create, Start or Delete the same id at once.
// Blocking: every method blocks, for as long as its comment says; without limits given, a method
// ends within about a minute by itself, Wait() excepted.
// Errors: a Status speaks to a person. kUnavailable = containerd or the registry doesn't answer
// (retry later), kNotFound = no such image, container or task, kDataLoss = content doesn't match
// its digest, kFailedPrecondition = the image can't be used here, kResourceExhausted = the disk is
// full, kDeadlineExceeded and kCancelled = the caller's limits, kPermissionDenied = the registry
// wants credentials, kInvalidArgument = the request itself, kInternal = runc or the shim failed.
class ContainerRuntime {
 public:
  virtual ~ContainerRuntime() = default;

  // OK when the runtime answers and can run containers. Blocks a few seconds at most.
  virtual absl::Status Check() = 0;

  // Pulls, verifies and unpacks what isn't here yet. A reference with a digest that is in the store
  // already needs no network; a tag is always asked for anew. Callers of one reference share the
  // work.
  virtual absl::StatusOr<Image> EnsureImage(const ImageRequest& request, CallLimits limits) = 0;

  // The same for an image in a directory. Several manifests and no digest: kFailedPrecondition,
  // which lists them.
  virtual absl::StatusOr<Image> ImportImage(const OciImageRequest& request, CallLimits limits) = 0;

  // Makes the container with its process parked before the first instruction of the step. When it
  // fails, nothing of the container is left. kAlreadyExists when the id is taken.
  virtual absl::Status Create(const ContainerSpec& spec, CallLimits limits) = 0;

  // Lets the created process run; returns its pid on the host.
  virtual absl::StatusOr<int> Start(const std::string& id) = 0;

  // Blocks until the container's first process has ended, at any time until Delete(), as often as
  // wanted, and after a restart of the caller. Output may still be on its way through the FIFOs.
  // kNotFound when the processes are gone without a trace (the shim was killed), kUnavailable when
  // containerd went away (call again), kCancelled by `cancellation`, which may be null.
  virtual absl::StatusOr<ContainerExit> Wait(const std::string& id, Cancellation* cancellation) = 0;

  // Sends a signal to the first process, or to `all`. Nothing left to signal is OK.
  virtual absl::Status Signal(const std::string& id, int signal, bool all) = 0;

  // Kills what lives and removes every trace: processes, record, snapshot, cgroup. Call it when the
  // FIFOs are read to their end: output not read 2 s after the exit may be lost. An unknown id is
  // OK.
  virtual absl::Status Delete(const std::string& id) = 0;

  // All containers of this agent's namespace, and processes that have lost their record.
  virtual absl::StatusOr<std::vector<ContainerStatus>> List() = 0;
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_CONTAINER_RUNTIME_H_
