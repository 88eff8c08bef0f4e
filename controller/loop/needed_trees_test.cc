// Which trees the loop says that builds need.
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "controller/loop/loop.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kPatience = absl::Seconds(20);

class ForgetfulJournal : public store::Journal {
 public:
  absl::Status Append(absl::Span<const v1::JournalEvent>) override { return absl::OkStatus(); }
  absl::Status Replay(const std::function<absl::Status(const v1::JournalEvent&)>&) override {
    return absl::OkStatus();
  }
  absl::StatusOr<int64_t> NextEpoch() override { return 1; }
};

// Hears of trees, and of commands that a step goes on after. Thread-safe.
class TreeSink : public CommandSink {
 public:
  void SendToAgent(const std::string&, const core::Command& command, int64_t) override {
    absl::MutexLock lock(&mutex_);
    if (std::holds_alternative<core::SendPrepare>(command)) ++prepares_;
    if (std::holds_alternative<core::SendStartGrant>(command)) ++grants_;
    if (std::holds_alternative<core::SendResultAck>(command)) ++acks_;
  }
  void Trace(core::TraceBlobs) override {}
  void Join(core::JoinTrees) override {
    absl::MutexLock lock(&mutex_);
    ++joins_;
  }
  bool IsWatched(const std::string&) override { return false; }
  void Publish(const core::Build&) override {}
  void LogEnds(const core::AttemptKey&, int64_t) override {}
  void NeedsTree(const std::string& build_id, const core::Digest& tree) override {
    absl::MutexLock lock(&mutex_);
    heard_.push_back(absl::StrCat(build_id, " needs ", tree.hash));
  }
  void BuildEnded(const std::string& build_id) override {
    absl::MutexLock lock(&mutex_);
    heard_.push_back(absl::StrCat(build_id, " ended"));
  }

  bool Await(int TreeSink::*counter, int count) {
    absl::MutexLock lock(&mutex_);
    const auto is_there = [&] { return this->*counter >= count; };
    return mutex_.AwaitWithTimeout(absl::Condition(&is_there), kPatience);
  }
  std::vector<std::string> TakeHeard() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(heard_, {});
  }

  int prepares_ = 0;
  int grants_ = 0;
  int acks_ = 0;
  int joins_ = 0;

 private:
  absl::Mutex mutex_;
  std::vector<std::string> heard_;
};

class NeededTreesTest : public ::testing::Test {
 protected:
  NeededTreesTest() {
    Loop::Options options;
    options.core.restart_settle = absl::ZeroDuration();
    loop_ = Loop::Open(options, std::make_unique<ForgetfulJournal>(), &sink_).value();
    loop_->Start();
    core::AgentConnected agent;
    agent.agent = "a";
    agent.session = 1;
    agent.incarnation = "i";
    agent.slots = 4;
    loop_->Post(agent);
  }

  void Submit(const std::string& id, int steps) {
    core::BuildSubmitted build;
    build.build_id = id;
    build.idempotency_key = "one key for all";
    build.context = {"context", 1};
    build.total_timeout = absl::Hours(1);
    for (int i = 0; i < steps; ++i) {
      core::StepDefinition step;
      step.spec.id = absl::StrCat("s", i);
      step.spec.image = "x@sha256:0";
      step.timeout = absl::Hours(1);
      build.steps.push_back(step);
    }
    loop_->Post(build);
  }
  void End(const std::string& id, int step, const core::Digest& output) {
    core::AttemptEnded ended;
    ended.agent = "a";
    ended.key = {id, step, 1};
    ended.output = output;
    loop_->Post(ended);
  }
  // All that was posted is done.
  void Settle() {
    absl::Notification done;
    ASSERT_TRUE(loop_->Query([&](const core::Core&) { done.Notify(); }));
    ASSERT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
  }
  void RunUntilGranted(const std::string& id, int steps) {
    ASSERT_TRUE(sink_.Await(&TreeSink::prepares_, steps));
    for (int i = 0; i < steps; ++i) {
      core::AttemptPrepared prepared;
      prepared.agent = "a";
      prepared.key = {id, i, 1};
      loop_->Post(prepared);
    }
    ASSERT_TRUE(sink_.Await(&TreeSink::grants_, steps));
  }

  TreeSink sink_;
  std::unique_ptr<Loop> loop_;
};

TEST_F(NeededTreesTest, AStepsOutputIsNeededBeforeItsBuildEnds) {
  Submit("b", 1);
  RunUntilGranted("b", 1);
  EXPECT_THAT(sink_.TakeHeard(), ElementsAre("b needs context"));
  End("b", 0, {"output", 2});
  ASSERT_TRUE(sink_.Await(&TreeSink::acks_, 1));
  Settle();
  EXPECT_THAT(sink_.TakeHeard(), ElementsAre("b needs output", "b ended"));
  // What an agent says again afterwards would never be released.
  End("b", 0, {"output", 2});
  Settle();
  EXPECT_THAT(sink_.TakeHeard(), IsEmpty());
}

TEST_F(NeededTreesTest, JoinedTreesAreNeeded) {
  Submit("b", 2);
  RunUntilGranted("b", 2);
  End("b", 0, {"left", 2});
  End("b", 1, {"right", 2});
  ASSERT_TRUE(sink_.Await(&TreeSink::joins_, 1));
  core::TreeJoined joined;
  joined.build_id = "b";
  joined.step = -1;
  joined.root = {"joined", 3};
  loop_->Post(joined);
  Settle();
  EXPECT_THAT(sink_.TakeHeard(), ElementsAre("b needs context", "b needs left", "b needs right",
                                             "b needs joined", "b ended"));
}

TEST_F(NeededTreesTest, ASubmissionThatWasThereAlreadyNeedsNothing) {
  Submit("b", 1);
  Submit("again", 1);
  End("nobody knows it", 0, {"output", 2});
  Settle();
  EXPECT_THAT(sink_.TakeHeard(), ElementsAre("b needs context"));
}

}  // namespace
}  // namespace rally::controller
