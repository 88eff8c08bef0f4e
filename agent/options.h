#ifndef RALLY_AGENT_OPTIONS_H_
#define RALLY_AGENT_OPTIONS_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/runtime/container_runtime.h"
#include "common/rpc/channel.h"

namespace rally::agent {

// Everything that an operator decides about an agent.
struct Options {
  std::string data = "/var/lib/rally/agent";
  std::string controller;  // "host:port" or "unix:PATH".
  rpc::Security security;
  // A store elsewhere, as blob::ParseBlobEndpoint reads it. Empty: the controller's.
  std::string blob_endpoint;
  std::string containerd = "/run/containerd/containerd.sock";
  std::string containerd_namespace = "rally";
  std::string name;  // "" = the host's.
  int slots = 0;     // 0 = as many as cores.
  std::map<std::string, std::string> labels;

  runtime::StepNetwork network = runtime::StepNetwork::kNone;
  int64_t step_memory_bytes = int64_t{4} << 30;
  double step_cpus = 0;  // 0 = all.
  int64_t step_pids = 1024;
  absl::Duration kill_grace = absl::Seconds(10);  // From SIGTERM to SIGKILL at a timeout.

  int64_t workspace_bytes = 0;  // What trees may take; 0 = what the disk has.
  int workspace_keep_free_percent = 5;

  // How long Start() waits for a containerd that doesn't answer.
  absl::Duration containerd_wait = absl::ZeroDuration();
  // Whether the destructor ends the steps, instead of leaving them to the next agent.
  bool end_steps_at_stop = false;
};

// Fills in what was left to the host (name, slots) and says what is wrong with the rest, in terms
// of the flags. Reads no file.
absl::Status Complete(Options* options);

struct CommandLine {
  Options options;
  bool check_config = false;
  // Nothing to start: what was asked for (help, the version) is `text`.
  bool only_print = false;
  std::string text;
};

// Reads flags, and the file that --config names; flags win. InvalidArgument speaks to a person.
absl::StatusOr<CommandLine> ParseCommandLine(int argc, const char* const* argv);

}  // namespace rally::agent

#endif  // RALLY_AGENT_OPTIONS_H_
