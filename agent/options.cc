#include "agent/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/blob/blob_endpoint.h"
#include "common/flags/flags.h"
#include "common/version.h"

namespace rally::agent {
namespace {

constexpr int kMaxSlots = 256;
constexpr size_t kMaxNameBytes = 128;
constexpr int64_t kMinStepMemoryBytes = 6 << 20;  // Less, and runc can't start a process.

// What the flags hold before it is understood.
struct Raw {
  std::string network = "none";
  std::vector<std::string> labels;
};

absl::Status Understand(const Raw& raw, Options* options) {
  if (raw.network == "none") {
    options->network = runtime::StepNetwork::kNone;
  } else if (raw.network == "host") {
    options->network = runtime::StepNetwork::kHost;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("--network is \"", raw.network, "\"; it is none or host"));
  }
  if (options->kill_grace < absl::ZeroDuration() || options->kill_grace > absl::Hours(1)) {
    return absl::InvalidArgumentError("--kill-grace is 0s to 1h");
  }
  for (const std::string& label : raw.labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--label is \"", label, "\"; write it as name=value"));
    }
    if (!options->labels.emplace(label.substr(0, equals), label.substr(equals + 1)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("--label gives ", label.substr(0, equals), " twice"));
    }
  }
  return absl::OkStatus();
}

void Declare(CLI::App* app, Options* options, Raw* raw, bool* check_config) {
  flags::AddConfigFile(app);
  app->set_version_flag("--version", kVersion);
  app->add_flag("--check-config", *check_config, "check flags and file, start nothing")
      ->configurable(false);
  app->add_option("--data", options->data, "directory of the agent's own")->capture_default_str();
  app->add_option("--controller", options->controller, "host:port or unix:PATH");
  app->add_option("--blob-endpoint", options->blob_endpoint,
                  "a store of the Remote Execution API to keep blobs in instead of the "
                  "controller: grpc[s]://HOST:PORT[/INSTANCE] or unix:PATH");
  app->add_option("--containerd", options->containerd, "containerd's socket")
      ->capture_default_str();
  app->add_option("--namespace", options->containerd_namespace,
                  "containerd namespace of the steps; used by nobody else")
      ->capture_default_str();
  app->add_option("--name", options->name, "what the agent is called (default: the host's name)");
  app->add_option("--slots", options->slots, "steps at a time (default: the number of cores)");
  app->add_option("--network", raw->network, "what steps can reach: none or host")
      ->capture_default_str();
  flags::AddSize(app, "--step-memory", &options->step_memory_bytes,
                 "memory of one step; 0 = no limit");
  app->add_option("--step-cpus", options->step_cpus, "cores of one step; 0 = all")
      ->capture_default_str();
  app->add_option("--step-pids", options->step_pids, "processes of one step; 0 = no limit")
      ->capture_default_str();
  flags::AddDuration(app, "--kill-grace", &options->kill_grace,
                     "from SIGTERM to SIGKILL when a step's time is over");
  flags::AddSize(app, "--workspace-bytes", &options->workspace_bytes,
                 "what workspace trees may take on the disk, such as 200GB; 0 = what it has");
  app->add_option(
      "--workspace-keep-free", options->workspace_keep_free_percent,
      "percent of the disk and its inodes that workspace trees leave free (default: 5)");
  app->add_option("--label", raw->labels, "name=value; may be repeated")->take_all();
  app->add_flag("--insecure", options->security.insecure,
                "no TLS; loopback addresses and unix sockets only");
  app->add_option("--tls-cert", options->security.tls.certificate,
                  "PEM file: this agent's certificate");
  app->add_option("--tls-key", options->security.tls.key, "PEM file: its private key");
  app->add_option("--tls-ca", options->security.tls.ca,
                  "PEM file: who must have signed the controller's certificate");
}

bool IsContainerdIdentifier(absl::string_view text) {
  bool after_separator = true;  // Neither the first, nor the last, nor two in a row.
  for (char c : text) {
    const bool separator = c == '-' || c == '_' || c == '.';
    if ((!separator && !absl::ascii_isalnum(c)) || (separator && after_separator)) return false;
    after_separator = separator;
  }
  return !after_separator && text.size() <= 76;
}

absl::Status CheckLimits(const Options& options) {
  if (options.slots < 1 || options.slots > kMaxSlots) {
    return absl::InvalidArgumentError(
        absl::StrCat("--slots is ", options.slots, "; 1 to ", kMaxSlots, " make sense"));
  }
  if (options.step_memory_bytes != 0 && options.step_memory_bytes < kMinStepMemoryBytes) {
    return absl::InvalidArgumentError("--step-memory is below 6MiB; no step could start");
  }
  if (!(options.step_cpus == 0 || (options.step_cpus >= 0.01 && options.step_cpus <= 4096))) {
    return absl::InvalidArgumentError("--step-cpus is 0 (all) or 0.01 to 4096");
  }
  if (options.step_pids < 0 || (options.step_pids > 0 && options.step_pids < 4)) {
    return absl::InvalidArgumentError("--step-pids is 0 (no limit) or at least 4");
  }
  if (options.workspace_keep_free_percent < 0 || options.workspace_keep_free_percent > 90) {
    return absl::InvalidArgumentError("--workspace-keep-free is a percentage from 0 to 90");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Complete(Options* options) {
  if (options->name.empty()) {
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    options->name = host;
  }
  if (options->slots == 0) {
    options->slots = std::max(1u, std::thread::hardware_concurrency());
  }
  if (options->name.empty() || options->name.size() > kMaxNameBytes ||
      !std::all_of(options->name.begin(), options->name.end(), absl::ascii_isgraph)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--name is \"", options->name, "\"; 1 to ", kMaxNameBytes,
                     " visible characters without blanks are needed"));
  }
  if (options->data.empty() || options->data.front() != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("--data is \"", options->data, "\"; an absolute path is needed"));
  }
  if (options->controller.empty()) {
    return absl::InvalidArgumentError("--controller is missing: host:port or unix:PATH");
  }
  if (absl::Status status = rpc::CheckSecurity(options->security, options->controller);
      !status.ok()) {
    return absl::Status(status.code(), absl::StrCat("--controller: ", status.message()));
  }
  if (!options->blob_endpoint.empty()) {
    const absl::Status valid = blob::ParseBlobEndpoint(options->blob_endpoint).status();
    if (!valid.ok()) return valid;
  }
  if (options->containerd.empty()) {
    return absl::InvalidArgumentError("--containerd can't be empty: it's the path of a socket");
  }
  if (!IsContainerdIdentifier(options->containerd_namespace)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--namespace is \"", options->containerd_namespace,
        "\"; containerd takes at most 76 letters and digits, with single '-', '_' or '.' between"));
  }
  return CheckLimits(*options);
}

absl::StatusOr<CommandLine> ParseCommandLine(int argc, const char* const* argv) {
  CommandLine line;
  Raw raw;
  CLI::App app("Runs the steps of Rally's builds on this host.", "rally-agent");
  Declare(&app, &line.options, &raw, &line.check_config);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    line.only_print = true;
    line.text = dynamic_cast<const CLI::CallForHelp*>(&success) != nullptr
                    ? app.help()
                    : absl::StrCat("rally-agent ", kVersion, "\n");
    return line;
  } catch (const CLI::Error& error) {
    return absl::InvalidArgumentError(flags::DescribeMistake(app, error));
  }
  if (absl::Status status = Understand(raw, &line.options); !status.ok()) return status;
  if (absl::Status status = Complete(&line.options); !status.ok()) return status;
  return line;
}

}  // namespace rally::agent
