#ifndef RALLY_AGENT_RUNTIME_CONTRACT_TEST_SUITE_H_
#define RALLY_AGENT_RUNTIME_CONTRACT_TEST_SUITE_H_

#include <signal.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/runtime/container_runtime.h"
#include "agent/runtime/runtime_under_test.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

// What every ContainerRuntime does, written once: the fake may not differ from containerd. A test
// binary includes this, implements RuntimeUnderTest and instantiates ContainerRuntimeContract.
namespace rally::runtime {

using MakeRuntimeUnderTest = std::function<std::unique_ptr<RuntimeUnderTest>()>;

class ContainerRuntimeContract : public ::testing::TestWithParam<MakeRuntimeUnderTest> {
 protected:
  using Kind = Behaviour::Kind;

  void SetUp() override {
    under_test_ = GetParam()();
    if (under_test_ == nullptr) GTEST_SKIP() << "this machine can't run containers";
  }

  void TearDown() override {
    if (under_test_ == nullptr) return;
    for (const std::string& id : created_) {
      EXPECT_EQ(runtime().Delete(id), absl::OkStatus());
    }
    const auto left = runtime().List();
    ASSERT_EQ(left.status(), absl::OkStatus());
    EXPECT_TRUE(left->empty()) << left->front().id << " is left";
  }

  ContainerRuntime& runtime() { return under_test_->runtime(); }

  void Create(const std::string& id, Behaviour behaviour) {
    created_.push_back(id);
    ASSERT_EQ(runtime().Create(under_test_->Spec(id, behaviour), {}), absl::OkStatus());
  }

  void CreateAndStart(const std::string& id, Behaviour behaviour) {
    ASSERT_NO_FATAL_FAILURE(Create(id, behaviour));
    const absl::StatusOr<int> pid = runtime().Start(id);
    ASSERT_EQ(pid.status(), absl::OkStatus());
    EXPECT_GT(*pid, 1);
  }

  ContainerExit Run(const std::string& id, Behaviour behaviour) {
    CreateAndStart(id, behaviour);
    if (HasFatalFailure()) return {-1};
    return WaitFor(id);
  }

  ContainerExit WaitFor(const std::string& id) {
    const absl::StatusOr<ContainerExit> exit = runtime().Wait(id, nullptr);
    EXPECT_EQ(exit.status(), absl::OkStatus());
    return exit.ok() ? *exit : ContainerExit{-1};
  }

  // The state that List() shows.
  std::string StateOf(const std::string& id) {
    const auto statuses = runtime().List();
    EXPECT_EQ(statuses.status(), absl::OkStatus());
    for (const ContainerStatus& status : *statuses) {
      if (status.id != id) continue;
      switch (status.state) {
        case ContainerState::kNoTask:
          return "no task";
        case ContainerState::kCreated:
          return "created";
        case ContainerState::kRunning:
          return "running";
        case ContainerState::kStopped:
          return "stopped";
      }
    }
    return "absent";
  }

  std::unique_ptr<RuntimeUnderTest> under_test_;
  std::vector<std::string> created_;
};

TEST_P(ContainerRuntimeContract, CheckIsOk) { EXPECT_EQ(runtime().Check(), absl::OkStatus()); }

TEST_P(ContainerRuntimeContract, ReportsExitCodes) {
  EXPECT_EQ(Run("c-exit-0", {Kind::kExit, 0}).exit_code, 0);
  EXPECT_EQ(Run("c-exit-7", {Kind::kExit, 7}).exit_code, 7);
  EXPECT_EQ(Run("c-exit-255", {Kind::kExit, 255}).exit_code, 255);
}

TEST_P(ContainerRuntimeContract, SaysWhenItEnded) {
  const absl::Time before = absl::Now();
  const ContainerExit exit = Run("c-time", {Kind::kExit, 0});
  EXPECT_GE(exit.exited_at, before - absl::Seconds(1));
  EXPECT_LE(exit.exited_at, absl::Now() + absl::Seconds(1));
}

TEST_P(ContainerRuntimeContract, ReportsEntryPointsThatCannotRun) {
  EXPECT_EQ(Run("c-127", {Kind::kNotFound}).exit_code, 127);
  EXPECT_EQ(Run("c-126", {Kind::kNotExecutable}).exit_code, 126);
}

TEST_P(ContainerRuntimeContract, ASignalIsReportedAs128More) {
  EXPECT_EQ(Run("c-sig-9", {Kind::kDieBySignal, SIGKILL}).exit_code, 137);
  EXPECT_EQ(Run("c-sig-11", {Kind::kDieBySignal, SIGSEGV}).exit_code, 139);
}

TEST_P(ContainerRuntimeContract, SigtermEndsAStepThatDoesNotHandleIt) {
  ASSERT_NO_FATAL_FAILURE(CreateAndStart("c-term", {Kind::kRunForever}));
  under_test_->AwaitReady("c-term");
  ASSERT_EQ(runtime().Signal("c-term", SIGTERM, /*all=*/false), absl::OkStatus());
  EXPECT_EQ(WaitFor("c-term").exit_code, 143);
}

TEST_P(ContainerRuntimeContract, SigtermReachesAHandlerInTheStep) {
  ASSERT_NO_FATAL_FAILURE(CreateAndStart("c-trap", {Kind::kExitOnTerm, 9}));
  under_test_->AwaitReady("c-trap");
  ASSERT_EQ(runtime().Signal("c-trap", SIGTERM, /*all=*/false), absl::OkStatus());
  EXPECT_EQ(WaitFor("c-trap").exit_code, 9);
}

TEST_P(ContainerRuntimeContract, SigkillEndsEvenWhatHandlesSigterm) {
  ASSERT_NO_FATAL_FAILURE(CreateAndStart("c-kill", {Kind::kExitOnTerm, 9}));
  ASSERT_EQ(runtime().Signal("c-kill", SIGKILL, /*all=*/true), absl::OkStatus());
  const ContainerExit exit = WaitFor("c-kill");
  EXPECT_EQ(exit.exit_code, 137);
  EXPECT_FALSE(exit.oom_killed);
}

TEST_P(ContainerRuntimeContract, TellsDeathByMemoryFromOtherKills) {
  const ContainerExit exit = Run("c-oom", {Kind::kExhaustMemory});
  EXPECT_EQ(exit.exit_code, 137);
  EXPECT_TRUE(exit.oom_killed);
}

TEST_P(ContainerRuntimeContract, WaitMayBeAskedAgain) {
  EXPECT_EQ(Run("c-again", {Kind::kExit, 5}).exit_code, 5);
  EXPECT_EQ(WaitFor("c-again").exit_code, 5);
}

TEST_P(ContainerRuntimeContract, WaitBlocksUntilTheEnd) {
  ASSERT_NO_FATAL_FAILURE(CreateAndStart("c-block", {Kind::kExitOnTerm, 3}));
  under_test_->AwaitReady("c-block");
  absl::StatusOr<ContainerExit> first, second;
  std::thread waiter([&] { first = runtime().Wait("c-block", nullptr); });
  std::thread other([&] { second = runtime().Wait("c-block", nullptr); });
  EXPECT_EQ(StateOf("c-block"), "running");
  EXPECT_EQ(runtime().Signal("c-block", SIGTERM, false), absl::OkStatus());
  waiter.join();
  other.join();
  ASSERT_EQ(first.status(), absl::OkStatus());
  EXPECT_EQ(first->exit_code, 3);
  ASSERT_EQ(second.status(), absl::OkStatus());
  EXPECT_EQ(second->exit_code, 3);
}

TEST_P(ContainerRuntimeContract, WaitCanBeCancelled) {
  ASSERT_NO_FATAL_FAILURE(CreateAndStart("c-cancel", {Kind::kRunForever}));
  Cancellation cancellation;
  absl::StatusOr<ContainerExit> result;
  std::thread waiter([&] { result = runtime().Wait("c-cancel", &cancellation); });
  cancellation.Cancel();
  waiter.join();
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(StateOf("c-cancel"), "running");
}

TEST_P(ContainerRuntimeContract, WaitWorksAfterARestart) {
  ASSERT_NO_FATAL_FAILURE(CreateAndStart("c-restart-run", {Kind::kExitOnTerm, 4}));
  EXPECT_EQ(Run("c-restart-end", {Kind::kExit, 6}).exit_code, 6);
  under_test_->AwaitReady("c-restart-run");
  under_test_->Restart();
  EXPECT_EQ(StateOf("c-restart-run"), "running");
  EXPECT_EQ(StateOf("c-restart-end"), "stopped");
  EXPECT_EQ(WaitFor("c-restart-end").exit_code, 6);
  ASSERT_EQ(runtime().Signal("c-restart-run", SIGTERM, false), absl::OkStatus());
  EXPECT_EQ(WaitFor("c-restart-run").exit_code, 4);
}

TEST_P(ContainerRuntimeContract, WaitForWhatIsNotThereIsNotFound) {
  EXPECT_EQ(runtime().Wait("c-none", nullptr).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(ContainerRuntimeContract, DeleteIsIdempotent) {
  EXPECT_EQ(runtime().Delete("c-never"), absl::OkStatus());
  EXPECT_EQ(Run("c-del", {Kind::kExit, 0}).exit_code, 0);
  EXPECT_EQ(runtime().Delete("c-del"), absl::OkStatus());
  EXPECT_EQ(StateOf("c-del"), "absent");
  EXPECT_EQ(runtime().Delete("c-del"), absl::OkStatus());
  EXPECT_EQ(runtime().Wait("c-del", nullptr).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(ContainerRuntimeContract, DeleteEndsWhatRuns) {
  ASSERT_NO_FATAL_FAILURE(CreateAndStart("c-del-run", {Kind::kRunForever}));
  EXPECT_EQ(runtime().Delete("c-del-run"), absl::OkStatus());
  EXPECT_EQ(StateOf("c-del-run"), "absent");
}

TEST_P(ContainerRuntimeContract, DeleteTakesWhatWasNeverStarted) {
  ASSERT_NO_FATAL_FAILURE(Create("c-del-created", {Kind::kExit, 0}));
  EXPECT_EQ(StateOf("c-del-created"), "created");
  EXPECT_EQ(runtime().Delete("c-del-created"), absl::OkStatus());
  EXPECT_EQ(StateOf("c-del-created"), "absent");
}

TEST_P(ContainerRuntimeContract, AnIdIsFreeAgainAfterDelete) {
  EXPECT_EQ(Run("c-reuse", {Kind::kExit, 1}).exit_code, 1);
  ASSERT_EQ(runtime().Delete("c-reuse"), absl::OkStatus());
  EXPECT_EQ(Run("c-reuse", {Kind::kExit, 2}).exit_code, 2);
}

TEST_P(ContainerRuntimeContract, AnIdCanBeTakenOnce) {
  ASSERT_NO_FATAL_FAILURE(Create("c-twice", {Kind::kExit, 0}));
  EXPECT_EQ(runtime().Create(under_test_->Spec("c-twice", {Kind::kExit, 0}), {}).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(StateOf("c-twice"), "created") << "the first one must not suffer";
}

TEST_P(ContainerRuntimeContract, CreateAfterItsDeadlineMakesNothing) {
  EXPECT_EQ(
      runtime()
          .Create(under_test_->Spec("c-late", {Kind::kExit, 0}), absl::Now() - absl::Seconds(1))
          .code(),
      absl::StatusCode::kDeadlineExceeded);
  Cancellation cancelled;
  cancelled.Cancel();
  EXPECT_EQ(runtime()
                .Create(under_test_->Spec("c-late", {Kind::kExit, 0}),
                        {absl::InfiniteFuture(), &cancelled})
                .code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(StateOf("c-late"), "absent");
}

TEST_P(ContainerRuntimeContract, StartNeedsACreatedContainer) {
  EXPECT_EQ(runtime().Start("c-none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Run("c-start-twice", {Kind::kExit, 0}).exit_code, 0);
  EXPECT_FALSE(runtime().Start("c-start-twice").ok());
}

TEST_P(ContainerRuntimeContract, SignalsToTheDeadAreOk) {
  EXPECT_EQ(Run("c-dead", {Kind::kExit, 0}).exit_code, 0);
  EXPECT_EQ(runtime().Signal("c-dead", SIGTERM, false), absl::OkStatus());
  EXPECT_EQ(runtime().Signal("c-dead", SIGKILL, true), absl::OkStatus());
  EXPECT_EQ(runtime().Signal("c-none", SIGKILL, true), absl::OkStatus());
  EXPECT_EQ(WaitFor("c-dead").exit_code, 0);
}

TEST_P(ContainerRuntimeContract, ListShowsStatesPidsAndLabels) {
  created_.push_back("c-list");
  ContainerSpec spec = under_test_->Spec("c-list", {Kind::kRunForever});
  spec.labels = {{"rally.dev/step", "test it"}};
  ASSERT_EQ(runtime().Create(spec, {}), absl::OkStatus());
  EXPECT_EQ(StateOf("c-list"), "created");
  const absl::StatusOr<int> pid = runtime().Start("c-list");
  ASSERT_EQ(pid.status(), absl::OkStatus());
  const auto statuses = runtime().List();
  ASSERT_EQ(statuses.status(), absl::OkStatus());
  ASSERT_EQ(statuses->size(), 1u);
  EXPECT_EQ(statuses->front().id, "c-list");
  EXPECT_EQ(statuses->front().state, ContainerState::kRunning);
  EXPECT_EQ(statuses->front().pid, *pid);
  EXPECT_EQ(statuses->front().labels, spec.labels);
}

TEST_P(ContainerRuntimeContract, ContainersDoNotDisturbEachOther) {
  constexpr int kContainers = 4;
  std::vector<ContainerExit> exits(kContainers);
  for (int i = 0; i < kContainers; ++i) created_.push_back(absl::StrCat("c-many-", i));
  std::vector<std::thread> threads;
  for (int i = 0; i < kContainers; ++i) {
    const ContainerSpec spec = under_test_->Spec(created_[i], {Kind::kExit, 10 + i});
    threads.emplace_back([this, i, spec, &exits] {
      if (!runtime().Create(spec, {}).ok() || !runtime().Start(spec.id).ok()) return;
      const absl::StatusOr<ContainerExit> exit = runtime().Wait(spec.id, nullptr);
      if (exit.ok()) exits[i] = *exit;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kContainers; ++i) EXPECT_EQ(exits[i].exit_code, 10 + i);
}

TEST_P(ContainerRuntimeContract, AnImageHasADigestByWhichItCanBeHadAgain) {
  const std::string reference = under_test_->KnownImage();
  const absl::StatusOr<Image> image = runtime().EnsureImage({reference}, {});
  ASSERT_EQ(image.status(), absl::OkStatus());
  EXPECT_TRUE(absl::StartsWith(image->digest, "sha256:")) << image->digest;
  const std::string repository = reference.substr(0, reference.rfind(':'));
  const absl::StatusOr<Image> again =
      runtime().EnsureImage({absl::StrCat(repository, "@", image->digest)}, {});
  ASSERT_EQ(again.status(), absl::OkStatus());
  EXPECT_EQ(again->digest, image->digest);
  EXPECT_EQ(again->top_chain_id, image->top_chain_id);
}

TEST_P(ContainerRuntimeContract, AnUnknownImageIsNotFoundByName) {
  const absl::Status status = runtime().EnsureImage({under_test_->UnknownImage()}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(under_test_->UnknownImage()));
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("check the name"));
}

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_CONTRACT_TEST_SUITE_H_
