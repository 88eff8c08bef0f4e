#include "agent/core/oci_spec.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "agent/core/seccomp_profile.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::core {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

OciSpecInput Typical() {
  OciSpecInput input;
  input.id = "b7-3-1";
  input.image_name = "registry.example/tools/go:1.22";
  input.image_entrypoint = {"/usr/bin/env"};
  input.image_cmd = {"bash"};
  input.image_env = {"PATH=/go/bin:/bin", "GOPATH=/go"};
  input.args = {"go", "build", "./..."};
  input.envs = {{"CGO_ENABLED", "0"}, {"GOPATH", "/workspace/.go"}};
  input.work_dir = "src/app";
  input.home = "/root";
  input.init_source = "/var/lib/rally/agent/init";
  input.workspace_source = "/var/lib/rally/agent/attempts/b7-3-1/workspace";
  input.hosts_source = "/var/lib/rally/agent/hosts";
  input.nofile_hard_limit = 20000;
  input.memory_bytes = int64_t{4} << 30;
  input.pids = 1024;
  input.cpus = 1.5;
  return input;
}

json Spec(const OciSpecInput& input) {
  const absl::StatusOr<std::string> text = OciSpecJson(input);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.ok() ? json::parse(*text) : json();
}

json MountAt(const json& spec, const std::string& destination) {
  for (const json& mount : spec["mounts"]) {
    if (mount["destination"] == destination) return mount;
  }
  return nullptr;
}

std::vector<std::string> NamespacesOf(const json& spec) {
  std::vector<std::string> types;
  for (const json& entry : spec["linux"]["namespaces"]) types.push_back(entry["type"]);
  return types;
}

// All but the long list of system calls, which has tests of its own.
TEST(OciSpecTest, TypicalStepIsGolden) {
  json spec = Spec(Typical());
  spec["linux"].erase("seccomp");
  std::ifstream file("agent/core/testdata/oci_spec_typical.json");
  ASSERT_TRUE(file.good());
  const json golden = json::parse(file);
  EXPECT_EQ(spec, golden) << json::diff(golden, spec).dump(2) << "\nwas:\n" << spec.dump(2);
}

TEST(OciSpecTest, IsDeterministic) { EXPECT_EQ(*OciSpecJson(Typical()), *OciSpecJson(Typical())); }

TEST(OciSpecTest, AnInitWithAReportIsToldWhereItIs) {
  OciSpecInput input = Typical();
  EXPECT_EQ(Spec(input)["process"]["args"][1], "--workdir");
  input.report_source = "/var/lib/rally/agent/starts/b7-3-1";
  const json spec = Spec(input);
  EXPECT_EQ(spec["process"]["args"][1], "--report");
  EXPECT_EQ(spec["process"]["args"][2], kStartReportInContainer);
  EXPECT_EQ(spec["process"]["args"][3], "--workdir");
  EXPECT_EQ(MountAt(spec, kStartReportInContainer)["source"], input.report_source);
}

TEST(OciSpecTest, HostNetworkHasNoNamespaceAndTheHostsFiles) {
  OciSpecInput input = Typical();
  input.host_network = true;
  input.hosts_source = "/etc/hosts";
  input.resolv_conf_source = "/etc/resolv.conf";
  const json spec = Spec(input);
  EXPECT_THAT(NamespacesOf(spec), ElementsAre("pid", "ipc", "uts", "mount", "cgroup"));
  EXPECT_EQ(MountAt(spec, "/etc/resolv.conf")["source"], "/etc/resolv.conf");
  EXPECT_THAT(MountAt(spec, "/etc/hosts")["options"], Contains("ro"));
  EXPECT_FALSE(spec["linux"].contains("sysctl")) << "that would change the host";
}

TEST(OciSpecTest, AnImageUserHasNoCapabilities) {
  OciSpecInput input = Typical();
  input.uid = 1000;
  input.gid = 1001;
  input.additional_gids = {5, 7};
  const json process = Spec(input)["process"];
  EXPECT_EQ(process["user"],
            json({{"uid", 1000}, {"gid", 1001}, {"additionalGids", {1001, 5, 7}}}));
  for (const char* set : {"bounding", "effective", "permitted", "inheritable", "ambient"}) {
    EXPECT_EQ(process["capabilities"][set], json::array()) << set;
  }
  EXPECT_EQ(process["noNewPrivileges"], true);
}

TEST(OciSpecTest, RootHasNoCapabilityThatReachesTheHost) {
  const json kept = Spec(Typical())["process"]["capabilities"]["bounding"];
  for (const char* name : {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_MKNOD", "CAP_NET_RAW",
                           "CAP_NET_ADMIN", "CAP_SYS_MODULE", "CAP_DAC_READ_SEARCH"}) {
    EXPECT_THAT(kept, Not(Contains(name)));
  }
}

TEST(OciSpecTest, NoLimitsWhenNoneAreAsked) {
  OciSpecInput input = Typical();
  input.memory_bytes = 0;
  input.pids = 0;
  input.cpus = 0;
  const json resources = Spec(input)["linux"]["resources"];
  EXPECT_EQ(resources, json({{"devices", {{{"allow", false}, {"access", "rwm"}}}}}));
}

TEST(OciSpecTest, SwapIsLeftAloneWhereTheKernelCannotLimitIt) {
  OciSpecInput input = Typical();
  input.limits_swap = false;
  EXPECT_EQ(Spec(input)["linux"]["resources"]["memory"], json({{"limit", int64_t{4} << 30}}));
}

TEST(OciSpecTest, CpuQuotaIsNeverBelowWhatTheKernelTakes) {
  OciSpecInput input = Typical();
  input.cpus = 0.0001;
  EXPECT_EQ(Spec(input)["linux"]["resources"]["cpu"], json({{"quota", 1000}, {"period", 100000}}));
}

TEST(OciSpecTest, OpenFilesAreOnlyLowered) {
  struct {
    uint64_t hard_limit, expected;
  } cases[] = {{20000, 8192}, {8192, 8192}, {1024, 1024}, {0, 8192}};
  for (const auto& c : cases) {
    OciSpecInput input = Typical();
    input.nofile_hard_limit = c.hard_limit;
    const json limit = Spec(input)["process"]["rlimits"][1];
    EXPECT_EQ(limit["type"], "RLIMIT_NOFILE");
    EXPECT_EQ(limit["hard"], c.expected);
    EXPECT_EQ(limit["soft"], c.expected);
  }
}

TEST(OciSpecTest, WorkDir) {
  struct {
    const char *work_dir, *expected;
  } cases[] = {{"", "/workspace"},          {".", "/workspace"},
               {"a", "/workspace/a"},       {"a/./b/../c", "/workspace/a/c"},
               {"a//b/", "/workspace/a/b"}, {"/", "/"},
               {"/opt/x/", "/opt/x"},       {"/a/../../b", "/b"},
               {"a/..", "/workspace"}};
  for (const auto& c : cases) EXPECT_EQ(*AbsoluteWorkDir(c.work_dir), c.expected) << c.work_dir;
  for (const char* escape : {"..", "a/../..", "../workspace"}) {
    EXPECT_EQ(AbsoluteWorkDir(escape).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(OciSpecTest, Command) {
  using Words = std::vector<std::string>;
  struct {
    Words entrypoint, cmd, args;
    std::string entry_point;
    Words expected;
  } cases[] = {
      {{"e"}, {"c"}, {}, "", {"e", "c"}},
      {{"e"}, {"c"}, {"a"}, "", {"e", "a"}},
      {{}, {"c", "d"}, {}, "", {"c", "d"}},
      {{}, {"c"}, {"a", "b"}, "", {"a", "b"}},
      // An entry point of the step's own doesn't get the image's command.
      {{"e"}, {"c"}, {}, "x", {"x"}},
      {{"e"}, {"c"}, {"a"}, "x y", {"x y", "a"}},
  };
  for (const auto& c : cases) {
    OciSpecInput input;
    input.image_entrypoint = c.entrypoint;
    input.image_cmd = c.cmd;
    input.args = c.args;
    input.entry_point = c.entry_point;
    EXPECT_EQ(*StepCommand(input), c.expected);
  }
}

TEST(OciSpecTest, NothingToRunNamesTheImage) {
  OciSpecInput input;
  input.image_name = "registry.example/empty:1";
  const absl::Status status = StepCommand(input).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("registry.example/empty:1"));
}

TEST(OciSpecTest, EnvironmentIsMergedByName) {
  OciSpecInput input;
  input.image_env = {"A=1", "B=x=y", "bare", "=no", "A=2"};
  input.envs = {{"B", "3"}, {"C", ""}};
  EXPECT_THAT(*StepEnvironment(input),
              ElementsAre("A=2", "B=3",
                          "C=", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                          "HOME=/root"));
}

TEST(OciSpecTest, HomeIsTheUsersUnlessSomebodySaysOtherwise) {
  struct {
    uint32_t uid;
    const char *home, *image, *expected;
  } cases[] = {{0, "", "X=1", "HOME=/root"},
               {0, "/r", "X=1", "HOME=/r"},
               {7, "", "X=1", "HOME=/"},
               {7, "/home/u", "X=1", "HOME=/home/u"},
               {7, "/home/u", "HOME=/h", "HOME=/h"}};
  for (const auto& c : cases) {
    OciSpecInput input;
    input.uid = c.uid;
    input.home = c.home;
    input.image_env = {c.image};
    EXPECT_THAT(*StepEnvironment(input), Contains(c.expected));
  }
}

TEST(OciSpecTest, RefusesWhatNoProcessCanHave) {
  std::vector<OciSpecInput> inputs(5, Typical());
  inputs[0].args = {std::string("a\0b", 3)};
  inputs[1].envs = {{"A=B", "x"}};
  inputs[2].envs = {{"", "x"}};
  inputs[3].envs = {{"A", std::string("\0", 1)}};
  inputs[4].args = {"\xff\xfe"};
  for (const OciSpecInput& input : inputs) {
    EXPECT_EQ(OciSpecJson(input).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

std::set<std::string> UnconditionallyAllowed(const json& profile) {
  std::set<std::string> names;
  for (const json& rule : profile["syscalls"]) {
    if (rule["action"] != "SCMP_ACT_ALLOW" || rule.contains("args")) continue;
    for (const json& name : rule["names"]) {
      EXPECT_TRUE(names.insert(name).second) << name << " is there twice";
    }
  }
  return names;
}

TEST(SeccompProfileTest, DeniesByDefaultOnOneArchitecture) {
  const json profile = SeccompProfile();
  EXPECT_EQ(profile["defaultAction"], "SCMP_ACT_ERRNO");
  EXPECT_EQ(profile["architectures"], json::array({"SCMP_ARCH_X86_64"}));
}

TEST(SeccompProfileTest, DeniesTheWaysOut) {
  const std::set<std::string> allowed = UnconditionallyAllowed(SeccompProfile());
  for (const char* name : {"mount",           "umount2",
                           "pivot_root",      "open_tree",
                           "move_mount",      "fsopen",
                           "fsmount",         "fspick",
                           "mount_setattr",   "bpf",
                           "keyctl",          "add_key",
                           "request_key",     "userfaultfd",
                           "perf_event_open", "open_by_handle_at",
                           "kexec_load",      "kexec_file_load",
                           "init_module",     "finit_module",
                           "delete_module",   "io_uring_setup",
                           "io_uring_enter",  "io_uring_register",
                           "unshare",         "setns",
                           "clone",           "clone3",
                           "reboot",          "swapon",
                           "quotactl",        "acct",
                           "chroot",          "settimeofday",
                           "sethostname",     "iopl",
                           "ioperm",          "syslog",
                           "personality",     "socket"}) {
    EXPECT_EQ(allowed.count(name), 0u) << name;
  }
}

TEST(SeccompProfileTest, AllowsWhatBuildsNeed) {
  const std::set<std::string> allowed = UnconditionallyAllowed(SeccompProfile());
  for (const char* name : {"execve", "openat", "futex", "wait4", "mmap", "ptrace", "epoll_wait",
                           "statx", "renameat2", "copy_file_range", "rseq", "faccessat2"}) {
    EXPECT_EQ(allowed.count(name), 1u) << name;
  }
}

TEST(SeccompProfileTest, CloneMakesNoNamespace) {
  constexpr uint64_t kNewUser = 0x10000000;
  const json profile = SeccompProfile();
  for (const json& rule : profile["syscalls"]) {
    if (rule["names"] == json::array({"clone"})) {
      ASSERT_EQ(rule["args"].size(), 1u);
      EXPECT_EQ(rule["args"][0]["op"], "SCMP_CMP_MASKED_EQ");
      EXPECT_EQ(rule["args"][0]["value"].get<uint64_t>() & kNewUser, kNewUser);
      EXPECT_EQ(rule["args"][0]["valueTwo"], 0);
      return;
    }
  }
  FAIL() << "there is no rule for clone";
}

}  // namespace
}  // namespace rally::core
