#include "agent/core/oci_spec.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "agent/core/seccomp_profile.h"

namespace rally::core {
namespace {

using nlohmann::json;

constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr uint64_t kOpenFiles = 8192;
constexpr int64_t kCpuPeriodMicros = 100'000;
constexpr int64_t kLeastCpuQuotaMicros = 1'000;  // The kernel takes no less.
// Under memory pressure of the whole host, steps go before daemons.
constexpr int kOomScoreAdjust = 500;

bool HasNul(const std::string& text) { return text.find('\0') != std::string::npos; }

std::string NameOf(const std::string& assignment) {
  return assignment.substr(0, assignment.find('='));
}

json Mount(const char* destination, const char* type, const std::string& source,
           std::vector<std::string> options) {
  return {{"destination", destination}, {"type", type}, {"source", source}, {"options", options}};
}

// A tmpfs counts as the memory of the step that writes it: full before the step is killed for it.
std::vector<std::string> TmpfsOptions(const OciSpecInput& input) {
  std::vector<std::string> options = {"nosuid", "nodev", "mode=1777"};
  if (input.memory_bytes > 0) {
    options.push_back(absl::StrCat("size=", std::max<int64_t>(input.memory_bytes / 2, 1)));
  }
  return options;
}

json Mounts(const OciSpecInput& input) {
  std::vector<std::string> shm = TmpfsOptions(input);
  shm.push_back("noexec");
  json mounts = {
      Mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
      Mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      Mount("/dev/pts", "devpts", "devpts",
            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
      Mount("/dev/shm", "tmpfs", "shm", shm),
      Mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      Mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
      Mount("/tmp", "tmpfs", "tmpfs", TmpfsOptions(input)),
      Mount(kInitInContainer, "bind", input.init_source,
            {"bind", "rprivate", "ro", "nosuid", "nodev"}),
      // rslave: the workspace may be mounted on its source after the container exists.
      Mount(kWorkspaceInContainer, "bind", input.workspace_source,
            {"rbind", "rslave", "rw", "nosuid", "nodev"}),
  };
  const std::vector<std::string> read_only = {"bind",   "rprivate", "ro",
                                              "nosuid", "nodev",    "noexec"};
  if (!input.report_source.empty()) {
    mounts.push_back(Mount(kStartReportInContainer, "bind", input.report_source,
                           {"bind", "rprivate", "rw", "nosuid", "nodev", "noexec"}));
  }
  if (!input.hosts_source.empty()) {
    mounts.push_back(Mount("/etc/hosts", "bind", input.hosts_source, read_only));
  }
  if (!input.resolv_conf_source.empty()) {
    mounts.push_back(Mount("/etc/resolv.conf", "bind", input.resolv_conf_source, read_only));
  }
  return mounts;
}

json Capabilities(const OciSpecInput& input) {
  json kept = json::array();
  // What package managers and archivers need as root; a user of the image gets none.
  if (input.uid == 0) {
    kept = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID",
            "CAP_KILL",  "CAP_SETGID",       "CAP_SETUID"};
  }
  return {{"bounding", kept},
          {"effective", kept},
          {"permitted", kept},
          {"inheritable", json::array()},
          {"ambient", json::array()}};
}

json Rlimits(const OciSpecInput& input) {
  // Only lower: containerd may lack the right to raise, and runc then fails.
  uint64_t files = kOpenFiles;
  if (input.nofile_hard_limit > 0) files = std::min(files, input.nofile_hard_limit);
  return {{{"type", "RLIMIT_CORE"}, {"hard", 0}, {"soft", 0}},
          {{"type", "RLIMIT_NOFILE"}, {"hard", files}, {"soft", files}}};
}

json Resources(const OciSpecInput& input) {
  json resources = {{"devices", {{{"allow", false}, {"access", "rwm"}}}}};
  if (input.memory_bytes > 0) {
    resources["memory"] = {{"limit", input.memory_bytes}};
    if (input.limits_swap) resources["memory"]["swap"] = input.memory_bytes;
  }
  if (input.pids > 0) resources["pids"] = {{"limit", input.pids}};
  if (input.cpus > 0) {
    const int64_t quota = std::llround(input.cpus * kCpuPeriodMicros);
    resources["cpu"] = {{"quota", std::max(quota, kLeastCpuQuotaMicros)},
                        {"period", kCpuPeriodMicros}};
  }
  return resources;
}

json LinuxPart(const OciSpecInput& input) {
  json namespaces = json::array();
  for (const char* type : {"pid", "ipc", "uts", "mount", "cgroup"}) {
    namespaces.push_back({{"type", type}});
  }
  json part = {
      {"cgroupsPath", absl::StrCat("/rally/", input.id)},
      {"resources", Resources(input)},
      {"seccomp", SeccompProfile()},
      {"maskedPaths",
       {"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
        "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
        "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"}},
      {"readonlyPaths", {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}},
  };
  if (!input.host_network) {
    namespaces.push_back({{"type", "network"}});
    // Its ports are its own: a server under test may take port 80 without a capability.
    part["sysctl"] = {{"net.ipv4.ip_unprivileged_port_start", "0"}};
  }
  part["namespaces"] = std::move(namespaces);
  return part;
}

}  // namespace

absl::StatusOr<std::string> AbsoluteWorkDir(const std::string& work_dir) {
  const bool absolute = absl::StartsWith(work_dir, "/");
  std::vector<std::string> parts;
  for (absl::string_view part : absl::StrSplit(work_dir, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.emplace_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    } else if (!absolute) {
      return absl::InvalidArgumentError(
          absl::StrCat("workDir \"", work_dir, "\" leaves the workspace"));
    }
  }
  const std::string path = absl::StrJoin(parts, "/");
  if (absolute) return absl::StrCat("/", path);
  return path.empty() ? kWorkspaceInContainer : absl::StrCat(kWorkspaceInContainer, "/", path);
}

absl::StatusOr<std::vector<std::string>> StepCommand(const OciSpecInput& input) {
  std::vector<std::string> command;
  if (!input.entry_point.empty()) {
    command.push_back(input.entry_point);
    command.insert(command.end(), input.args.begin(), input.args.end());
  } else {
    command = input.image_entrypoint;
    const std::vector<std::string>& rest = input.args.empty() ? input.image_cmd : input.args;
    command.insert(command.end(), rest.begin(), rest.end());
  }
  if (command.empty() || command[0].empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("nothing to run: the step has no args and image ", input.image_name,
                     " has no command of its own; give args or entryPoint"));
  }
  for (const std::string& word : command) {
    if (HasNul(word)) {
      return absl::InvalidArgumentError("an argument of the step holds a NUL byte");
    }
  }
  return command;
}

absl::StatusOr<std::vector<std::string>> StepEnvironment(const OciSpecInput& input) {
  std::vector<std::string> environment;
  auto set = [&environment](const std::string& name, const std::string& value) {
    std::string assignment = absl::StrCat(name, "=", value);
    for (std::string& existing : environment) {
      if (NameOf(existing) == name) {
        existing = std::move(assignment);
        return;
      }
    }
    environment.push_back(std::move(assignment));
  };
  auto has = [&environment](absl::string_view name) {
    return std::any_of(environment.begin(), environment.end(),
                       [name](const std::string& existing) { return NameOf(existing) == name; });
  };
  for (const std::string& assignment : input.image_env) {
    const size_t equals = assignment.find('=');
    // An image may list a bare name, which means nothing without a parent environment.
    if (equals == std::string::npos || equals == 0) continue;
    if (HasNul(assignment)) continue;
    set(assignment.substr(0, equals), assignment.substr(equals + 1));
  }
  for (const auto& [name, value] : input.envs) {
    if (name.empty() || absl::StrContains(name, '=') || HasNul(name) || HasNul(value)) {
      return absl::InvalidArgumentError(absl::StrCat("the environment variable \"", NameOf(name),
                                                     "\" of the step has a name that is "
                                                     "empty or holds \"=\", or a NUL byte"));
    }
    set(name, value);
  }
  if (!has("PATH")) set("PATH", kDefaultPath);
  if (!has("HOME")) {
    set("HOME", !input.home.empty() ? input.home : input.uid == 0 ? "/root" : "/");
  }
  return environment;
}

absl::StatusOr<std::string> OciSpecJson(const OciSpecInput& input) {
  absl::StatusOr<std::string> work_dir = AbsoluteWorkDir(input.work_dir);
  if (!work_dir.ok()) return work_dir.status();
  absl::StatusOr<std::vector<std::string>> command = StepCommand(input);
  if (!command.ok()) return command.status();
  absl::StatusOr<std::vector<std::string>> environment = StepEnvironment(input);
  if (!environment.ok()) return environment.status();

  std::vector<std::string> args = {kInitInContainer};
  if (!input.report_source.empty()) args.insert(args.end(), {"--report", kStartReportInContainer});
  args.insert(args.end(), {"--workdir", *work_dir, "--"});
  args.insert(args.end(), command->begin(), command->end());
  // The own group among them, so that a file that denies it something can't be had past it.
  std::vector<uint32_t> gids = {input.gid};
  gids.insert(gids.end(), input.additional_gids.begin(), input.additional_gids.end());
  json user = {{"uid", input.uid}, {"gid", input.gid}, {"additionalGids", std::move(gids)}};

  const json spec = {
      {"ociVersion", "1.0.2"},
      {"hostname", "rally"},
      {"process",
       {{"terminal", false},
        {"user", std::move(user)},
        {"args", std::move(args)},
        {"env", *environment},
        // The workspace isn't mounted yet when runc changes directory; the init does it later.
        {"cwd", "/"},
        {"capabilities", Capabilities(input)},
        {"rlimits", Rlimits(input)},
        {"noNewPrivileges", true},
        {"oomScoreAdj", kOomScoreAdjust}}},
      // Below the bundle, where the shim mounts the snapshot.
      {"root", {{"path", "rootfs"}, {"readonly", false}}},
      {"mounts", Mounts(input)},
      {"linux", LinuxPart(input)},
  };
  try {
    return spec.dump();
  } catch (const json::exception&) {
    return absl::InvalidArgumentError(
        "the arguments, environment or directory of the step are not UTF-8 text");
  }
}

}  // namespace rally::core
