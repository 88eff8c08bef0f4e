#ifndef RALLY_AGENT_CORE_OCI_SPEC_H_
#define RALLY_AGENT_CORE_OCI_SPEC_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace rally::core {

// Where a step finds its init and its workspace.
inline constexpr char kInitInContainer[] = "/.rally/init";
inline constexpr char kWorkspaceInContainer[] = "/workspace";
// And the init the file into which it writes why there is no process of the step.
inline constexpr char kStartReportInContainer[] = "/.rally/start";

// All that decides what a step's container looks like, with everything from outside (numbers of
// users, limits of the host, paths) already looked up by the caller.
struct OciSpecInput {
  std::string id;

  // From the image's configuration.
  std::string image_name;  // For messages.
  std::vector<std::string> image_entrypoint;
  std::vector<std::string> image_cmd;
  std::vector<std::string> image_env;  // "NAME=value".

  // From the step.
  std::vector<std::string> args;
  std::string entry_point;
  std::vector<std::pair<std::string, std::string>> envs;
  std::string work_dir;  // Relative: below /workspace.

  // The image's user, in numbers.
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> additional_gids;
  std::string home;  // "" = unknown.

  // On the host.
  std::string init_source;       // The static init.
  std::string report_source;     // For its report; "" = it has none.
  std::string workspace_source;  // A shared mount point.
  std::string hosts_source;      // For /etc/hosts; "" = the image's own.
  std::string resolv_conf_source;
  uint64_t nofile_hard_limit = 0;  // What containerd's processes have; never raised. 0 = unknown.

  bool host_network = false;
  int64_t memory_bytes = 0;  // 0 = no limit, as in the next two.
  int64_t pids = 0;
  double cpus = 0;
  bool limits_swap = true;  // False where the kernel can't (no swap accounting).
};

// The step's directory as an absolute path: `work_dir` cleaned, below /workspace when relative.
// kInvalidArgument when a relative one leaves the workspace.
absl::StatusOr<std::string> AbsoluteWorkDir(const std::string& work_dir);

// The command line: the step's entry point or else the image's, then the step's args or else (only
// with the image's entry point) the image's command. kInvalidArgument when nothing remains.
absl::StatusOr<std::vector<std::string>> StepCommand(const OciSpecInput& input);

// "NAME=value" for each variable: the image's, with the step's over them in place, then PATH and
// HOME when neither has them.
absl::StatusOr<std::vector<std::string>> StepEnvironment(const OciSpecInput& input);

// The OCI runtime configuration, as JSON. containerd keeps its safe defaults in a Go client library
// and not in the daemon, so all of them are here: namespaces, capabilities, seccomp, masked paths,
// no_new_privs, limits. Pure: the same input gives the same text.
// kInvalidArgument for what no process can have (NUL bytes, a name with "=", text that isn't
// UTF-8).
absl::StatusOr<std::string> OciSpecJson(const OciSpecInput& input);

}  // namespace rally::core

#endif  // RALLY_AGENT_CORE_OCI_SPEC_H_
