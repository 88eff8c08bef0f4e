#include "agent/runtime/fake_runtime.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>

#include "agent/runtime/contract_test_suite.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::runtime {
namespace {

using ::testing::ElementsAre;

constexpr char kImage[] = "registry.example/tools/shell:1";

class FakeUnderTest : public RuntimeUnderTest {
 public:
  FakeUnderTest() {
    Image image;
    image.name = kImage;
    image.digest = "sha256:" + std::string(64, 'a');
    image.top_chain_id = "sha256:" + std::string(64, 'b');
    host_.AddImage(kImage, image);
  }

  ContainerRuntime& runtime() override { return *runtime_; }
  void Restart() override { runtime_ = std::make_unique<FakeRuntime>(&host_); }

  ContainerSpec Spec(const std::string& id, Behaviour behaviour) override {
    FakeScript script;
    switch (behaviour.kind) {
      case Behaviour::Kind::kExit:
        script.exit_code = behaviour.number;
        break;
      case Behaviour::Kind::kDieBySignal:
        script.exit_code = 128 + behaviour.number;
        break;
      case Behaviour::Kind::kRunForever:
        script.runs_until_ended = true;
        break;
      case Behaviour::Kind::kExitOnTerm:
        script.runs_until_ended = true;
        script.exit_on_signal = {{SIGTERM, behaviour.number}};
        break;
      case Behaviour::Kind::kNotFound:
        script.exit_code = 127;
        break;
      case Behaviour::Kind::kNotExecutable:
        script.exit_code = 126;
        break;
      case Behaviour::Kind::kExhaustMemory:
        script.exit_code = 137;
        script.oom_killed = true;
        break;
    }
    host_.SetScript(id, script);
    ContainerSpec spec;
    spec.id = id;
    return spec;
  }

  std::string KnownImage() override { return kImage; }
  std::string UnknownImage() override { return "registry.example/tools/none:1"; }
  void AwaitReady(const std::string&) override {}

 private:
  FakeHost host_;
  std::unique_ptr<FakeRuntime> runtime_ = std::make_unique<FakeRuntime>(&host_);
};

INSTANTIATE_TEST_SUITE_P(Fake, ContainerRuntimeContract,
                         ::testing::Values([]() -> std::unique_ptr<RuntimeUnderTest> {
                           return std::make_unique<FakeUnderTest>();
                         }));

ContainerSpec SpecWithId(const std::string& id) {
  ContainerSpec spec;
  spec.id = id;
  return spec;
}

TEST(FakeRuntimeTest, FailsAsOftenAsTold) {
  FakeHost host;
  FakeRuntime runtime(&host);
  host.FailNext("Create", absl::UnavailableError("gone"), 2);
  EXPECT_EQ(runtime.Create(SpecWithId("a"), {}), absl::UnavailableError("gone"));
  EXPECT_EQ(runtime.Create(SpecWithId("a"), {}), absl::UnavailableError("gone"));
  EXPECT_EQ(runtime.Create(SpecWithId("a"), {}), absl::OkStatus());
  EXPECT_EQ(host.CallCount("Create"), 3);
}

TEST(FakeRuntimeTest, EndsWhenTheTestSays) {
  FakeHost host;
  FakeScript script;
  script.runs_until_ended = true;
  host.SetDefaultScript(script);
  FakeRuntime runtime(&host);
  ASSERT_EQ(runtime.Create(SpecWithId("a"), {}), absl::OkStatus());
  ASSERT_EQ(runtime.Start("a").status(), absl::OkStatus());
  absl::StatusOr<ContainerExit> exit;
  std::thread waiter([&] { exit = runtime.Wait("a", nullptr); });
  host.End("a", 42, /*oom_killed=*/true);
  waiter.join();
  ASSERT_EQ(exit.status(), absl::OkStatus());
  EXPECT_EQ(exit->exit_code, 42);
  EXPECT_TRUE(exit->oom_killed);
}

TEST(FakeRuntimeTest, RemembersSignals) {
  FakeHost host;
  FakeScript script;
  script.runs_until_ended = true;
  host.SetDefaultScript(script);
  FakeRuntime runtime(&host);
  ASSERT_EQ(runtime.Create(SpecWithId("a"), {}), absl::OkStatus());
  ASSERT_EQ(runtime.Start("a").status(), absl::OkStatus());
  ASSERT_EQ(runtime.Signal("a", SIGINT, false), absl::OkStatus());
  ASSERT_EQ(runtime.Signal("a", SIGKILL, true), absl::OkStatus());
  EXPECT_THAT(host.SignalsTo("a"), ElementsAre(SIGINT)) << "the second found nobody";
}

TEST(FakeRuntimeTest, ALostTaskIsNotFoundAndStillListed) {
  FakeHost host;
  FakeScript script;
  script.runs_until_ended = true;
  host.SetDefaultScript(script);
  FakeRuntime runtime(&host);
  ASSERT_EQ(runtime.Create(SpecWithId("a"), {}), absl::OkStatus());
  ASSERT_EQ(runtime.Start("a").status(), absl::OkStatus());
  host.LoseTask("a");
  EXPECT_EQ(runtime.Wait("a", nullptr).status().code(), absl::StatusCode::kNotFound);
  ASSERT_EQ(runtime.List()->size(), 1u);
  EXPECT_EQ(runtime.List()->front().state, ContainerState::kNoTask);
}

TEST(FakeRuntimeTest, AHeldCallEndsByItsLimits) {
  FakeHost host;
  FakeRuntime runtime(&host);
  host.Hold("EnsureImage");
  EXPECT_EQ(runtime.EnsureImage({"x"}, absl::Now() + absl::Milliseconds(1)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  Cancellation cancellation;
  absl::Status status;
  std::thread caller([&] {
    status = runtime.EnsureImage({"x"}, {absl::InfiniteFuture(), &cancellation}).status();
  });
  cancellation.Cancel();
  caller.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  host.Release("EnsureImage");
  EXPECT_EQ(runtime.EnsureImage({"x"}, {}).status().code(), absl::StatusCode::kNotFound);
}

TEST(FakeRuntimeTest, WritesItsOutputAndClosesWhenItEnds) {
  const std::string path = ::testing::TempDir() + "fake_stdout";
  unlink(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  FakeHost host;
  FakeScript script;
  script.stdout_text = "hello\n";
  host.SetScript("a", script);
  FakeRuntime runtime(&host);
  ContainerSpec spec = SpecWithId("a");
  spec.stdout_path = path;
  ASSERT_EQ(runtime.Create(spec, {}), absl::OkStatus());
  ASSERT_EQ(runtime.Start("a").status(), absl::OkStatus());
  char buffer[64];
  EXPECT_EQ(read(reader, buffer, sizeof(buffer)), 6);
  EXPECT_EQ(std::string(buffer, 6), "hello\n");
  EXPECT_EQ(read(reader, buffer, sizeof(buffer)), 0) << "it must be at its end";
  close(reader);
}

}  // namespace
}  // namespace rally::runtime
