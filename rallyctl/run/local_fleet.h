#ifndef RALLY_RALLYCTL_RUN_LOCAL_FLEET_H_
#define RALLY_RALLYCTL_RUN_LOCAL_FLEET_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "agent/agent.h"
#include "agent/options.h"
#include "common/pipeline/parser.h"
#include "controller/controller.h"

namespace rally::rallyctl {

// A controller and one agent in this process, on a socket that only this user reaches: the one
// place that knows both.
//
// Ownership: owns both; the folder for their data outlives it. Blocking: Start on disk and
// containerd; the destructor ends the steps that still run and waits for that.
class LocalFleet {
 public:
  // `options` says how steps run, `pipelines` what a pipeline may say and mean; where it listens,
  // dials and stores is decided here, below `folder`. FailedPrecondition when another one uses the
  // same containerd namespace.
  static absl::StatusOr<std::unique_ptr<LocalFleet>> Start(const std::string& folder,
                                                           agent::Options options,
                                                           pipeline::ParseOptions pipelines);
  ~LocalFleet();

  // Ends what runs, and removes the containerd namespace with all images when that is wished.
  // Nothing but the destructor may be called afterwards.
  absl::Status Stop(bool remove_namespace);

  LocalFleet(const LocalFleet&) = delete;
  LocalFleet& operator=(const LocalFleet&) = delete;

  // "unix:PATH" of the controller.
  const std::string& address() const { return controller_->address(); }

 private:
  LocalFleet(int lock, std::string containerd, std::string containerd_namespace)
      : lock_(lock),
        containerd_(std::move(containerd)),
        containerd_namespace_(std::move(containerd_namespace)) {}

  const int lock_;
  const std::string containerd_, containerd_namespace_;
  std::unique_ptr<controller::Controller> controller_;
  std::unique_ptr<agent::Agent> agent_;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_RUN_LOCAL_FLEET_H_
