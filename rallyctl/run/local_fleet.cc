#include "rallyctl/run/local_fleet.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/runtime/purge_namespace.h"
#include "common/blob/digest.h"
#include "common/blob/file_digest.h"

namespace rally::rallyctl {
namespace {

// An agent takes everything in its containerd namespace for its own, so there must be one at most.
// The lock is a name that the kernel forgets with the process, and no file.
absl::StatusOr<int> LockNamespace(const agent::Options& options) {
  const int lock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (lock < 0) return blob::ErrnoStatus(errno, "making a lock");
  const std::string what = absl::StrCat(options.containerd, " ", options.containerd_namespace);
  const std::string name = absl::StrCat("rally-run-", blob::DigestOf(what).hash.substr(0, 32));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  // The first byte is zero: a name that isn't in the file system.
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const socklen_t size = offsetof(sockaddr_un, sun_path) + 1 + name.size();
  if (bind(lock, reinterpret_cast<sockaddr*>(&address), size) == 0) return lock;
  const int error = errno;
  close(lock);
  if (error != EADDRINUSE) return blob::ErrnoStatus(error, "taking a lock");
  return absl::FailedPreconditionError(absl::StrCat(
      "another `rallyctl run` uses the namespace \"", options.containerd_namespace,
      "\" of containerd at ", options.containerd, "; wait for it, or give --namespace NAME"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalFleet>> LocalFleet::Start(const std::string& folder,
                                                              agent::Options options,
                                                              pipeline::ParseOptions pipelines) {
  auto lock = LockNamespace(options);
  if (!lock.ok()) return lock.status();
  std::unique_ptr<LocalFleet> fleet(
      new LocalFleet(*lock, options.containerd, options.containerd_namespace));

  controller::Options controller;
  controller.data = absl::StrCat(folder, "/controller");
  controller.listen = absl::StrCat("unix:", folder, "/controller.sock");
  controller.security.insecure = true;
  controller.pipelines = std::move(pipelines);
  auto started_controller = controller::Controller::Start(controller);
  if (!started_controller.ok()) return started_controller.status();
  fleet->controller_ = *std::move(started_controller);

  options.data = absl::StrCat(folder, "/agent");
  options.controller = fleet->address();
  options.security = rpc::Security();
  options.security.insecure = true;
  options.name = "local";
  options.end_steps_at_stop = true;
  if (absl::Status status = agent::Complete(&options); !status.ok()) return status;
  auto started_agent = agent::Agent::Start(options);
  if (!started_agent.ok()) {
    return absl::Status(
        started_agent.status().code(),
        absl::StrCat(started_agent.status().message(),
                     "\n`rallyctl run` uses the containerd of this machine and doesn't start it: "
                     "systemctl start containerd, or --containerd SOCKET"));
  }
  fleet->agent_ = *std::move(started_agent);
  return fleet;
}

absl::Status LocalFleet::Stop(bool remove_namespace) {
  // The agent's last reports have somewhere to go.
  agent_.reset();
  controller_.reset();
  if (!remove_namespace) return absl::OkStatus();
  // The lock still keeps another one out.
  return runtime::PurgeNamespace(containerd_, containerd_namespace_);
}

LocalFleet::~LocalFleet() {
  Stop(/*remove_namespace=*/false).IgnoreError();
  close(lock_);
}

}  // namespace rally::rallyctl
