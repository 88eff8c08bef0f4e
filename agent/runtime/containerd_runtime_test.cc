// ContainerdRuntime against a real containerd, runc and registry of the test's own: the contract
// that the fake obeys too, and what only real containers show.

#include "agent/runtime/containerd_runtime.h"

#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/runtime/containerd_connection.h"
#include "agent/runtime/containerd_under_test.h"
#include "agent/runtime/contract_test_suite.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fixtures/containerd_fixture.h"
#include "tests/support/eventually.h"

namespace rally::runtime {
namespace {

using ::rally::testing::BusyboxLayout;
using ::rally::testing::Eventually;
using ::rally::testing::ReadFile;
using ::testing::HasSubstr;
using ::testing::Not;

INSTANTIATE_TEST_SUITE_P(Containerd, ContainerRuntimeContract,
                         ::testing::Values([]() -> std::unique_ptr<RuntimeUnderTest> {
                           Machine* machine = Machine::Get();
                           if (machine == nullptr) return nullptr;
                           return std::make_unique<ContainerdUnderTest>(machine);
                         }));

class ContainerdRuntimeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Machine* machine = Machine::Get();
    if (machine == nullptr) GTEST_SKIP() << "this machine can't run containers";
    under_test_ = std::make_unique<ContainerdUnderTest>(machine);
  }
  void TearDown() override {
    if (under_test_ == nullptr) return;
    const std::vector<ContainerStatus> left = Must(runtime().List());
    for (const ContainerStatus& status : left) {
      EXPECT_EQ(runtime().Delete(status.id), absl::OkStatus());
    }
  }

  ContainerRuntime& runtime() { return under_test_->runtime(); }
  ContainerdUnderTest& under_test() { return *under_test_; }
  Machine& machine() { return under_test_->machine(); }
  std::string Ctr(const std::vector<std::string>& arguments) {
    return Must(machine().containerd->Ctr(arguments));
  }

  void CreateAndStart(const ContainerSpec& spec) {
    ASSERT_EQ(runtime().Create(spec, {}), absl::OkStatus());
    ASSERT_EQ(runtime().Start(spec.id).status(), absl::OkStatus());
  }

  // Runs the spec to its end and returns its exit code; its output is in out() and err() then.
  int Run(const ContainerSpec& spec) {
    CreateAndStart(spec);
    if (HasFatalFailure()) return -1;
    const absl::StatusOr<ContainerExit> exit = runtime().Wait(spec.id, nullptr);
    EXPECT_EQ(exit.status(), absl::OkStatus());
    under_test().out(spec.id).Read();
    under_test().err(spec.id).Read();
    EXPECT_EQ(runtime().Delete(spec.id), absl::OkStatus());
    return exit.ok() ? exit->exit_code : -1;
  }

  // What a script prints.
  std::string OutputOf(const ContainerSpec& spec) {
    EXPECT_EQ(Run(spec), 0) << under_test().err(spec.id).Read();
    return under_test().out(spec.id).Read();
  }

  std::unique_ptr<ContainerdUnderTest> under_test_;
};

TEST_F(ContainerdRuntimeTest, RunsInTheWorkspaceWithItsEnvironment) {
  ContainerSpec spec =
      under_test().Shell("t-env", "pwd; echo $GREETING; echo $HOME; cat /etc/image");
  spec.envs = {{"GREETING", "hello world"}};
  spec.work_dir = "deep/down";
  EXPECT_EQ(OutputOf(spec), "/workspace/deep/down\nhello world\n/root\nfrom the image\n");
  struct stat found;
  EXPECT_EQ(stat((under_test().Workspace("t-env") + "/deep/down").c_str(), &found), 0);
}

TEST_F(ContainerdRuntimeTest, KeepsOutputAndErrorApart) {
  EXPECT_EQ(Run(under_test().Shell("t-streams", "echo out; echo err >&2")), 0);
  EXPECT_EQ(under_test().out("t-streams").Read(), "out\n");
  EXPECT_EQ(under_test().err("t-streams").Read(), "err\n");
}

TEST_F(ContainerdRuntimeTest, SeesAWorkspaceThatIsMountedAfterCreate) {
  const ContainerSpec spec = under_test().Shell("t-late", "cat late; echo back > answer");
  ASSERT_EQ(runtime().Create(spec, {}), absl::OkStatus());
  const std::string workspace = under_test().Workspace("t-late");
  ASSERT_EQ(mount("tmpfs", workspace.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "size=1m"), 0);
  std::ofstream(workspace + "/late") << "mounted late\n";
  ASSERT_EQ(runtime().Start(spec.id).status(), absl::OkStatus());
  EXPECT_EQ(runtime().Wait(spec.id, nullptr)->exit_code, 0) << under_test().err("t-late").Read();
  EXPECT_EQ(under_test().out("t-late").Read(), "mounted late\n");
  EXPECT_EQ(ReadFile(workspace + "/answer"), "back\n");
  EXPECT_EQ(runtime().Delete(spec.id), absl::OkStatus());
  // Nothing of the container may hold the mount.
  EXPECT_EQ(umount2(workspace.c_str(), 0), 0) << strerror(errno);
}

TEST_F(ContainerdRuntimeTest, DeleteLeavesNothing) {
  const std::string snapshots_before = Ctr({"snapshots", "ls"});
  ASSERT_NO_FATAL_FAILURE(CreateAndStart(under_test().Shell("t-traces", "echo ready; sleep 1000")));
  under_test().AwaitReady("t-traces");
  struct stat found;
  EXPECT_EQ(stat("/sys/fs/cgroup/memory/rally/t-traces", &found) == 0 ||
                stat("/sys/fs/cgroup/rally/t-traces", &found) == 0,
            true);
  EXPECT_THAT(Ctr({"snapshots", "ls"}), HasSubstr("t-traces"));
  ASSERT_EQ(runtime().Delete("t-traces"), absl::OkStatus());
  EXPECT_EQ(Ctr({"snapshots", "ls"}), snapshots_before);
  EXPECT_THAT(Ctr({"containers", "ls"}), Not(HasSubstr("t-traces")));
  EXPECT_THAT(Ctr({"tasks", "ls"}), Not(HasSubstr("t-traces")));
  for (const char* controller : {"", "/memory", "/pids", "/cpu", "/devices", "/freezer"}) {
    EXPECT_NE(stat(absl::StrCat("/sys/fs/cgroup", controller, "/rally/t-traces").c_str(), &found),
              0)
        << controller;
  }
  EXPECT_EQ(Ctr({"leases", "ls", "-q"}), "");
}

TEST_F(ContainerdRuntimeTest, KillAllReachesProcessesThatLeftTheirSession) {
  const ContainerSpec spec = under_test().Shell(
      "t-family", "setsid sh -c 'setsid sleep 1001 & sleep 1002' & echo ready; wait; sleep 1003");
  ASSERT_NO_FATAL_FAILURE(CreateAndStart(spec));
  under_test().AwaitReady("t-family");
  const std::string procs = "/sys/fs/cgroup/memory/rally/t-family/cgroup.procs";
  ASSERT_TRUE(Eventually(absl::Seconds(10), [&] {
    const std::string pids = ReadFile(procs);
    return std::count(pids.begin(), pids.end(), '\n') >= 4;
  })) << ReadFile(procs);
  ASSERT_EQ(runtime().Signal("t-family", SIGKILL, /*all=*/true), absl::OkStatus());
  EXPECT_EQ(runtime().Wait("t-family", nullptr)->exit_code, 137);
  EXPECT_TRUE(Eventually(absl::Seconds(10), [&] { return ReadFile(procs).empty(); }))
      << ReadFile(procs);
}

TEST_F(ContainerdRuntimeTest, ABackgroundProcessDoesNotOutliveTheStep) {
  EXPECT_EQ(Run(under_test().Shell("t-background", "setsid sleep 1004 & exit 3")), 3);
}

TEST_F(ContainerdRuntimeTest, LimitsProcesses) {
  ContainerSpec spec = under_test().Shell(
      "t-pids", "for i in $(seq 20); do sleep 1000 & done 2>&1; kill $(jobs -p)");
  spec.pids = 8;
  EXPECT_NE(Run(spec), 0);
  EXPECT_THAT(under_test().out("t-pids").Read() + under_test().err("t-pids").Read(),
              HasSubstr("fork"));
}

TEST_F(ContainerdRuntimeTest, IsConfined) {
  const std::string out = OutputOf(under_test().Shell("t-confined", R"(
    mount -t tmpfs none /mnt 2>&1 | grep -o 'not permitted\|are you root\|Operation not permitted' | head -1
    unshare -U true 2>&1 | grep -o 'not permitted'
    mknod /tmp/disk b 8 0 2>&1 | grep -o 'not permitted'
    grep NoNewPrivs /proc/self/status
    grep Seccomp: /proc/self/status
    grep CapEff /proc/self/status
    (echo 1 > /proc/sys/kernel/panic) 2>&1 | grep -o 'Read-only'
    [ -s /proc/kcore ] || echo kcore masked
    cat /proc/self/oom_score_adj
    ulimit -c; ulimit -n
    ip link | grep -c '^[0-9]*: [a-z]'
    ping -c1 -w1 localhost >/dev/null 2>&1; grep -c localhost /etc/hosts
  )"));
  EXPECT_THAT(out, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(out, HasSubstr("Seccomp:\t2"));
  // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID.
  EXPECT_THAT(out, HasSubstr("CapEff:\t00000000000000fb"));
  EXPECT_THAT(out, HasSubstr("Read-only"));
  EXPECT_THAT(out, HasSubstr("kcore masked"));
  EXPECT_THAT(out, HasSubstr("\n500\n0\n8192\n1\n"));
  size_t refused = 0;
  for (size_t at = out.find("not permitted"); at != std::string::npos;
       at = out.find("not permitted", at + 1)) {
    ++refused;
  }
  EXPECT_GE(refused, 2u) << out;
}

TEST_F(ContainerdRuntimeTest, WithoutANetworkTheHostIsOutOfReach) {
  const std::string host = machine().registry->host();
  ContainerSpec spec = under_test().Shell(
      "t-net", absl::StrCat("wget -q -O - http://", host, "/v2/ && echo reached"));
  EXPECT_NE(Run(spec), 0);
  spec = under_test().Shell(
      "t-net-host",
      absl::StrCat("wget -q -O - http://", host, "/v2/ && echo reached; cat /etc/resolv.conf"));
  spec.network = StepNetwork::kHost;
  EXPECT_THAT(OutputOf(spec), HasSubstr("reached\n" + ReadFile("/etc/resolv.conf")));
}

TEST_F(ContainerdRuntimeTest, RunsAsTheImagesUser) {
  const std::string layout = machine().scratch.path() + "/layout";
  rally::testing::BusyboxOptions options;
  options.tag = "user";
  options.user = "worker";
  options.env = {"A=image", "B=image"};
  options.entrypoint = {"/bin/sh", "-c"};
  options.cmd = {"id; echo $A $B $HOME; grep CapBnd /proc/self/status; echo again > /dev/stdout"};
  ASSERT_EQ(BusyboxLayout(layout, options), absl::OkStatus());
  const absl::StatusOr<Image> image =
      runtime().EnsureImage({Must(machine().registry->Push(layout, "user", "test/user"))}, {});
  ASSERT_EQ(image.status(), absl::OkStatus());
  EXPECT_EQ(image->account.uid, 1234u);
  EXPECT_EQ(image->account.gid, 1235u);
  EXPECT_THAT(image->account.additional_gids, ::testing::ElementsAre(1240u));
  ContainerSpec spec = under_test().Shell("t-user", "");
  chmod(under_test().Workspace("t-user").c_str(), 0777);
  spec.image = *image;
  spec.args.clear();
  spec.envs = {{"B", "step"}};
  EXPECT_EQ(OutputOf(spec),
            "uid=1234(worker) gid=1235(workers) groups=1235(workers),1240(extra)\n"
            "image step /home/worker\nCapBnd:\t0000000000000000\nagain\n");
}

// Whoever the step runs as, its init may write there, and only the init ever finds anything in it.
TEST_F(ContainerdRuntimeTest, TheStartReportTellsWhetherTheStepWasReached) {
  const std::string report = machine().scratch.path() + "/start-report";
  for (const uint32_t uid : {0, 1234}) {
    ContainerSpec spec = under_test().Shell(absl::StrCat("t-report-", uid), "");
    chmod(under_test().Workspace(spec.id).c_str(), 0777);
    spec.image.account.uid = spec.image.account.gid = uid;
    spec.start_report_path = report;
    const auto write_secret = [&] {
      unlink(report.c_str());
      std::ofstream(report) << "secret\n";
      ASSERT_EQ(chmod(report.c_str(), 0622), 0);
    };

    write_secret();
    spec.args = {"sh", "-c", "echo mine > here; cat /.rally/start /proc/1/fd/[3-9]*; exit 125"};
    EXPECT_EQ(Run(spec), 125);
    EXPECT_EQ(under_test().out(spec.id).Read(), "");
    EXPECT_EQ(ReadFile(report), "");

    write_secret();
    spec.work_dir = "here";
    EXPECT_EQ(Run(spec), 125);
    EXPECT_THAT(under_test().err(spec.id).Read(),
                HasSubstr("rally: cannot enter the working directory /workspace/here: Not a"));
    EXPECT_EQ(ReadFile(report),
              "secret\n20 cannot enter the working directory /workspace/here: Not a directory");
  }
}

TEST_F(ContainerdRuntimeTest, CreateThatFailsLeavesNothing) {
  ContainerSpec spec = under_test().Shell("t-broken", "true");
  spec.workspace_source = "/no/such/place";
  const absl::Status status = runtime().Create(spec, {});
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/no/such/place"));
  EXPECT_TRUE(runtime().List()->empty());
  EXPECT_THAT(Ctr({"snapshots", "ls"}), Not(HasSubstr("t-broken")));
}

TEST_F(ContainerdRuntimeTest, CreateThatHangsEndsAtItsDeadline) {
  ContainerSpec spec = under_test().Shell("t-hang", "true");
  // A FIFO that nobody reads: the shim waits for a reader.
  spec.stdout_path = machine().scratch.path() + "/unread";
  ASSERT_EQ(mkfifo(spec.stdout_path.c_str(), 0600), 0);
  EXPECT_EQ(runtime().Create(spec, absl::Now() + absl::Seconds(2)).code(),
            absl::StatusCode::kDeadlineExceeded);
  // On a busy machine containerd is still at it, and the agent tries again later.
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
    runtime().Delete("t-hang").IgnoreError();
    return runtime().List()->empty();
  }));
}

TEST_F(ContainerdRuntimeTest, AKilledShimIsNotFound) {
  ASSERT_NO_FATAL_FAILURE(CreateAndStart(under_test().Shell("t-shim", "echo ready; sleep 1000")));
  under_test().AwaitReady("t-shim");
  // The shim is what the container's first process is a child of.
  const std::vector<ContainerStatus> running = Must(runtime().List());
  ASSERT_EQ(running.size(), 1u);
  std::ifstream stat(absl::StrCat("/proc/", running[0].pid, "/stat"));
  std::string pid, name, state;
  int shim = 0;
  stat >> pid >> name >> state >> shim;
  ASSERT_THAT(ReadFile(absl::StrCat("/proc/", shim, "/cmdline")), HasSubstr("t-shim"));
  absl::StatusOr<ContainerExit> exit;
  std::thread waiter([&] { exit = runtime().Wait("t-shim", nullptr); });
  EXPECT_EQ(kill(shim, SIGKILL), 0);
  waiter.join();
  EXPECT_EQ(exit.status().code(), absl::StatusCode::kNotFound) << exit.status();
  EXPECT_EQ(runtime().Delete("t-shim"), absl::OkStatus());
  EXPECT_TRUE(runtime().List()->empty());
}

TEST_F(ContainerdRuntimeTest, WaitOutlivesARestartOfContainerd) {
  ASSERT_NO_FATAL_FAILURE(CreateAndStart(
      under_test().Shell("t-daemon", "trap 'exit 8' TERM; echo ready; sleep 1000 & wait")));
  under_test().AwaitReady("t-daemon");
  absl::StatusOr<ContainerExit> exit;
  std::thread waiter([&] { exit = runtime().Wait("t-daemon", nullptr); });
  machine().containerd->Kill();
  EXPECT_EQ(runtime().Check().code(), absl::StatusCode::kUnavailable);
  ASSERT_EQ(machine().containerd->Restart(), absl::OkStatus());
  EXPECT_TRUE(Eventually(absl::Seconds(20),
                         [&] { return runtime().Signal("t-daemon", SIGTERM, false).ok(); }));
  waiter.join();
  ASSERT_EQ(exit.status(), absl::OkStatus());
  EXPECT_EQ(exit->exit_code, 8);
}

TEST_F(ContainerdRuntimeTest, DeletesProcessesThatLostTheirRecord) {
  ASSERT_NO_FATAL_FAILURE(CreateAndStart(under_test().Shell("t-orphan", "echo ready; sleep 1000")));
  under_test().AwaitReady("t-orphan");
  // The record alone goes. ctr refuses to do that; the daemon doesn't.
  const ContainerdConnection connection(machine().containerd->socket(),
                                        machine().containerd->containerd_namespace(), "overlayfs");
  containers::DeleteContainerRequest request;
  request.set_id("t-orphan");
  google::protobuf::Empty response;
  {
    Call call(connection, CallLimits());
    ASSERT_TRUE(connection.containers().Delete(call.context(), request, &response).ok());
  }
  const std::vector<ContainerStatus> before = Must(runtime().List());
  ASSERT_EQ(before.size(), 1u);
  EXPECT_EQ(before[0].state, ContainerState::kRunning);
  ASSERT_GT(before[0].pid, 1);
  EXPECT_EQ(runtime().Delete("t-orphan"), absl::OkStatus());
  EXPECT_NE(kill(before[0].pid, 0), 0);
  EXPECT_TRUE(runtime().List()->empty());
}

TEST_F(ContainerdRuntimeTest, ASocketWithoutContainerdSaysHowToCheck) {
  ContainerdOptions options;
  options.socket = machine().scratch.path() + "/nobody.sock";
  const auto runtime = Must(ContainerdRuntime::Make(options));
  const absl::Status status = runtime->Check();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("nobody.sock"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("ctr --address"));
}

// Medians of a step that does nothing. Printed, not judged: machines differ.
TEST_F(ContainerdRuntimeTest, MeasuresANoOp) {
  constexpr int kRuns = 15;
  std::map<std::string, std::vector<double>> millis;
  const auto timed = [&](const std::string& name, const auto& call) {
    const absl::Time start = absl::Now();
    const bool ok = call();
    millis[name].push_back(absl::ToDoubleMilliseconds(absl::Now() - start));
    return ok;
  };
  for (int i = 0; i < kRuns; ++i) {
    const ContainerSpec spec = under_test().Shell(absl::StrCat("t-noop-", i), "exit 0");
    const absl::Time start = absl::Now();
    ASSERT_TRUE(timed("create", [&] { return runtime().Create(spec, {}).ok(); }));
    ASSERT_TRUE(timed("start", [&] { return runtime().Start(spec.id).ok(); }));
    ASSERT_TRUE(timed("wait", [&] { return runtime().Wait(spec.id, nullptr)->exit_code == 0; }));
    ASSERT_TRUE(timed("delete", [&] { return runtime().Delete(spec.id).ok(); }));
    millis["total"].push_back(absl::ToDoubleMilliseconds(absl::Now() - start));
  }
  for (int i = 0; i < kRuns; ++i) {
    ASSERT_TRUE(timed("warm image",
                      [&] { return runtime().EnsureImage({under_test().image().name}, {}).ok(); }));
  }
  for (auto& [name, values] : millis) {
    std::sort(values.begin(), values.end());
    printf("median %s: %.1f ms\n", name.c_str(), values[values.size() / 2]);
  }
}

}  // namespace
}  // namespace rally::runtime
