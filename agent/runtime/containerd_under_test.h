#ifndef RALLY_AGENT_RUNTIME_CONTAINERD_UNDER_TEST_H_
#define RALLY_AGENT_RUNTIME_CONTAINERD_UNDER_TEST_H_

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/runtime/containerd_runtime.h"
#include "agent/runtime/runtime_under_test.h"
#include "gtest/gtest.h"
#include "tests/fixtures/containerd_fixture.h"
#include "tests/support/eventually.h"

namespace rally::runtime {

// The value, or the end of the program: for what tests need and don't test.
template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) {
    fprintf(stderr, "the fixture failed: %s\n", value.status().ToString().c_str());
    exit(1);
  }
  return *std::move(value);
}

// What all tests of this program share: starting it anew for each would take a second each time.
struct Machine {
  testing::ScratchDirectory scratch;
  std::unique_ptr<testing::PrivateContainerd> containerd;
  std::unique_ptr<testing::LoopbackRegistry> registry;
  std::string init, image;  // The static init's file; the reference of the busybox image.

  static Machine* Get();  // Null when this machine can't. Ends with the tests.
};

// A container's output: FIFOs whose both ends are open here, as the agent's keeper holds them.
class Output {
 public:
  explicit Output(const std::string& path) : path_(path) {
    mkfifo(path.c_str(), 0600);
    fd_ = open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  }
  ~Output() {
    close(fd_);
    unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }

  const std::string& Read() {
    char buffer[4096];
    ssize_t n;
    while ((n = read(fd_, buffer, sizeof(buffer))) > 0) text_.append(buffer, n);
    return text_;
  }
  bool Await(const std::string& text) {
    return testing::Eventually(absl::Seconds(20), [&] { return absl::StrContains(Read(), text); });
  }

 private:
  const std::string path_;
  int fd_ = -1;
  std::string text_;
};

// A ContainerdRuntime on the shared machine, and specs for it.
class ContainerdUnderTest : public RuntimeUnderTest {
 public:
  explicit ContainerdUnderTest(Machine* machine) : machine_(*machine) {
    Restart();
    image_ = Must(runtime().EnsureImage({machine_.image}, {}));
  }
  ~ContainerdUnderTest() override {
    for (const auto& [id, output] : stdout_) {
      umount2(Workspace(id).c_str(), MNT_DETACH);
      rmdir(Workspace(id).c_str());
    }
  }

  ContainerRuntime& runtime() override { return *runtime_; }
  const Image& image() const { return image_; }

  void Restart() override {
    ContainerdOptions options;
    options.socket = machine_.containerd->socket();
    options.containerd_namespace = machine_.containerd->containerd_namespace();
    options.data_directory = machine_.scratch.path();
    runtime_ = Must(ContainerdRuntime::Make(options));
  }

  std::string Workspace(const std::string& id) const {
    return absl::StrCat(machine_.scratch.path(), "/ws-", id);
  }

  ContainerSpec Shell(const std::string& id, const std::string& script) {
    ContainerSpec spec;
    spec.id = id;
    spec.image = image_;
    spec.args = {"sh", "-c", script};
    spec.workspace_source = Workspace(id);
    spec.init_path = machine_.init;
    const std::string fifos = absl::StrCat(machine_.scratch.path(), "/fifo-", id);
    if (stdout_.count(id) == 0) {
      EXPECT_EQ(testing::MakeSharedMountPoint(Workspace(id)), absl::OkStatus());
      stdout_[id] = std::make_unique<Output>(fifos + "-out");
      stderr_[id] = std::make_unique<Output>(fifos + "-err");
    }
    spec.stdout_path = stdout_[id]->path();
    spec.stderr_path = stderr_[id]->path();
    spec.memory_bytes = 256 << 20;
    spec.pids = 64;
    return spec;
  }

  ContainerSpec Spec(const std::string& id, Behaviour behaviour) override {
    switch (behaviour.kind) {
      case Behaviour::Kind::kExit:
        return Shell(id, absl::StrCat("exit ", behaviour.number));
      case Behaviour::Kind::kDieBySignal:
        return Shell(id, absl::StrCat("kill -", behaviour.number, " $$"));
      case Behaviour::Kind::kRunForever:
        return Shell(id, "echo ready; exec sleep 1000");
      case Behaviour::Kind::kExitOnTerm:
        return Shell(id, absl::StrCat("trap 'exit ", behaviour.number,
                                      "' TERM; echo ready; sleep 1000 & wait"));
      case Behaviour::Kind::kNotFound: {
        ContainerSpec spec = Shell(id, "");
        spec.entry_point = "no-such-command";
        return spec;
      }
      case Behaviour::Kind::kNotExecutable: {
        ContainerSpec spec = Shell(id, "");
        spec.entry_point = "/etc/image";
        return spec;
      }
      case Behaviour::Kind::kExhaustMemory: {
        ContainerSpec spec = Shell(id, "exec tail /dev/zero");
        spec.memory_bytes = 32 << 20;
        return spec;
      }
    }
    return {};
  }

  std::string KnownImage() override { return machine_.image; }
  std::string UnknownImage() override {
    return absl::StrCat(machine_.registry->host(), "/test/none:1");
  }
  void AwaitReady(const std::string& id) override { EXPECT_TRUE(stdout_[id]->Await("ready")); }

  Output& out(const std::string& id) { return *stdout_[id]; }
  Output& err(const std::string& id) { return *stderr_[id]; }
  Machine& machine() { return machine_; }

 private:
  Machine& machine_;
  Image image_;
  std::unique_ptr<ContainerRuntime> runtime_;
  std::map<std::string, std::unique_ptr<Output>> stdout_, stderr_;
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_CONTAINERD_UNDER_TEST_H_
