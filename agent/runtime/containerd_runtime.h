#ifndef RALLY_AGENT_RUNTIME_CONTAINERD_RUNTIME_H_
#define RALLY_AGENT_RUNTIME_CONTAINERD_RUNTIME_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/runtime/container_runtime.h"
#include "agent/runtime/registry_options.h"

namespace rally::runtime {

class ContainerdConnection;
class ImageStore;

struct ContainerdOptions {
  std::string socket = "/run/containerd/containerd.sock";
  // All containers and images in it are taken for this agent's own.
  std::string containerd_namespace = "rally";
  std::string snapshotter = "overlayfs";
  // An existing directory of the agent's; holds the hosts file of steps without a network.
  std::string data_directory;
  RegistryOptions registries;
};

// ContainerRuntime on a containerd of this host, over its gRPC API, with runc. It needs nothing of
// containerd's command line tools or Go client; what these would add (safe defaults, image pulls,
// the order of calls that garbage collection demands) is here.
// Ownership, threads, blocking, errors: as ContainerRuntime says.
class ContainerdRuntime : public ContainerRuntime {
 public:
  // Doesn't connect yet; see Check(). Fails when the data directory can't be written.
  static absl::StatusOr<std::unique_ptr<ContainerdRuntime>> Make(ContainerdOptions options);
  ~ContainerdRuntime() override;

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
  explicit ContainerdRuntime(ContainerdOptions options);

  absl::StatusOr<std::string> SpecJson(const ContainerSpec& spec) const;
  absl::Status CreateRecord(const ContainerSpec& spec, const std::string& spec_json,
                            const CallLimits& limits);
  absl::Status CreateTask(const ContainerSpec& spec, const CallLimits& limits);

  // Kills what a task has and removes it. kNotFound when there is no task that can be reached.
  absl::Status DeleteTask(const std::string& id);
  absl::Status KillAndReap(const std::string& id);
  // Gives processes that lost their record one again, so that they can be reached. True if any.
  absl::StatusOr<bool> AdoptOrphan(const std::string& id);

  const ContainerdOptions options_;
  const bool limits_swap_;
  const std::unique_ptr<ContainerdConnection> connection_;
  const std::unique_ptr<ImageStore> images_;
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_CONTAINERD_RUNTIME_H_
