#include "rallyctl/follow/build_follower.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "rallyctl/follow/live_view.h"
#include "rallyctl/testing/scripted_build_service.h"

namespace rally::rallyctl {
namespace {

void SetStep(v1::Build& build, int index, v1::StepStatus status, int attempt = 1) {
  while (build.steps_size() <= index) {
    const std::string id = absl::StrCat("step-", build.steps_size());
    build.add_steps()->set_id(id);
  }
  v1::Step& step = *build.mutable_steps(index);
  step.set_status(status);
  step.set_attempt(attempt);
  step.set_agent("agent-1");
}

// What was heard, as text.
class Recorder final : public FollowListener {
 public:
  void OnBuild(const v1::Build& build, absl::Time) override {
    absl::MutexLock lock(&mutex_);
    last_ = build;
  }
  void OnLog(int step, int attempt, const v1::LogRecord& record) override {
    absl::MutexLock lock(&mutex_);
    absl::StrAppend(&logs_[{step, attempt}], record.data());
  }
  void OnStepComplete(int step) override {
    absl::MutexLock lock(&mutex_);
    complete_.push_back(step);
  }
  void OnConnectionLost(const absl::Status&) override {
    absl::MutexLock lock(&mutex_);
    ++lost_;
  }
  void OnConnectionRestored() override {
    absl::MutexLock lock(&mutex_);
    ++restored_;
  }
  void Flush(absl::Time) override {}
  absl::Time NextFlush(absl::Time) override { return absl::InfiniteFuture(); }

  std::string Log(int step, int attempt = 1) {
    absl::MutexLock lock(&mutex_);
    return logs_[{step, attempt}];
  }
  void AwaitLog(int step, const std::string& text) {
    absl::MutexLock lock(&mutex_);
    const auto arrived = [&] { return logs_[{step, 1}] == text; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&arrived), absl::Seconds(20)))
        << logs_[{step, 1}];
  }
  void AwaitLost() {
    absl::MutexLock lock(&mutex_);
    const auto lost = [&] { return lost_ > 0; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&lost), absl::Seconds(20)));
  }

  absl::Mutex mutex_;
  v1::Build last_;
  std::map<std::pair<int, int>, std::string> logs_;
  std::vector<int> complete_;
  int lost_ = 0;
  int restored_ = 0;
};

class BuildFollowerTest : public ::testing::Test {
 protected:
  BuildFollowerTest() {
    service_.Start();
    channel_ = grpc::CreateChannel(service_.address(), grpc::InsecureChannelCredentials());
    stub_ = v1::BuildService::NewStub(channel_);
    options_.build_id = "b1";
  }

  // Follows on a thread until the build has ended.
  void Follow() {
    thread_ = std::thread([this] {
      BuildFollower follower(stub_.get(), options_, &recorder_);
      result_ = follower.Run();
    });
  }
  absl::StatusOr<v1::Build> Join() {
    thread_.join();
    return result_;
  }

  ScriptedBuildService service_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::BuildService::Stub> stub_;
  FollowOptions options_;
  Recorder recorder_;
  std::thread thread_;
  absl::StatusOr<v1::Build> result_;
};

TEST_F(BuildFollowerTest, FollowsStepsAtTheSameTimeAndEndsWhenAllLogsAreComplete) {
  service_.Update("b1", [](v1::Build& build) {
    build.set_status(v1::BUILD_STATUS_RUNNING);
    SetStep(build, 0, v1::STEP_STATUS_RUNNING);
    SetStep(build, 1, v1::STEP_STATUS_RUNNING);
  });
  Follow();
  service_.AppendLog("step-0", 1, "a1\n");
  service_.AppendLog("step-1", 1, "b1\n");
  recorder_.AwaitLog(0, "a1\n");
  recorder_.AwaitLog(1, "b1\n");
  // The build ends before the last of the logs has arrived.
  service_.Update("b1", [](v1::Build& build) {
    build.set_status(v1::BUILD_STATUS_SUCCEEDED);
    SetStep(build, 0, v1::STEP_STATUS_SUCCEEDED);
    SetStep(build, 1, v1::STEP_STATUS_SUCCEEDED);
    build.mutable_steps(0)->set_log_bytes(6);
    build.mutable_steps(1)->set_log_bytes(3);
  });
  service_.AppendLog("step-0", 1, "a2\n");
  service_.CompleteLog("step-0", 1);
  const auto build = Join();
  ASSERT_TRUE(build.ok()) << build.status();
  EXPECT_EQ(build->status(), v1::BUILD_STATUS_SUCCEEDED);
  EXPECT_EQ(recorder_.Log(0), "a1\na2\n");
  EXPECT_EQ(recorder_.complete_.size(), 2u);
}

TEST_F(BuildFollowerTest, ReadsWholeLogsOfABuildThatHasEndedOneAfterTheOther) {
  service_.Update("b1", [](v1::Build& build) {
    build.set_status(v1::BUILD_STATUS_FAILED);
    for (int i = 0; i < 3; ++i) {
      SetStep(build, i, v1::STEP_STATUS_FAILED);
      build.mutable_steps(i)->set_log_bytes(4);
    }
    SetStep(build, 3, v1::STEP_STATUS_SKIPPED, 0);
  });
  for (int i = 0; i < 3; ++i) {
    service_.AppendLog(absl::StrCat("step-", i), 1, "log\n");
    service_.CompleteLog(absl::StrCat("step-", i), 1);
  }
  Follow();
  const auto build = Join();
  ASSERT_TRUE(build.ok()) << build.status();
  EXPECT_EQ(recorder_.complete_, (std::vector<int>{3, 0, 1, 2}));
  EXPECT_EQ(recorder_.Log(2), "log\n");
  EXPECT_EQ(service_.LogReads().size(), 3u) << "a skipped step has no log to read";
}

TEST_F(BuildFollowerTest, GoesOnWhereItStoppedWhenTheControllerRestarts) {
  service_.Update("b1", [](v1::Build& build) {
    build.set_status(v1::BUILD_STATUS_RUNNING);
    SetStep(build, 0, v1::STEP_STATUS_RUNNING);
  });
  service_.AppendLog("step-0", 1, "before ");
  Follow();
  recorder_.AwaitLog(0, "before ");
  service_.Stop();
  recorder_.AwaitLost();
  service_.AppendLog("step-0", 1, "after\n");
  service_.Start();
  recorder_.AwaitLog(0, "before after\n");
  service_.CompleteLog("step-0", 1);
  service_.Update("b1", [](v1::Build& build) {
    build.set_status(v1::BUILD_STATUS_SUCCEEDED);
    SetStep(build, 0, v1::STEP_STATUS_SUCCEEDED);
    build.mutable_steps(0)->set_log_bytes(13);
  });
  const auto build = Join();
  ASSERT_TRUE(build.ok()) << build.status();
  EXPECT_EQ(recorder_.Log(0), "before after\n") << "nothing twice, nothing lost";
  EXPECT_EQ(recorder_.lost_, 1);
  EXPECT_EQ(recorder_.restored_, 1);
  EXPECT_EQ(service_.LogReads().back().offset(), 7);
}

TEST_F(BuildFollowerTest, GivesUpWhenTheControllerStaysAway) {
  options_.reconnect_bound = absl::Milliseconds(300);
  service_.Update("b1", [](v1::Build& build) { build.set_status(v1::BUILD_STATUS_RUNNING); });
  Follow();
  service_.Stop();
  const auto build = Join();
  EXPECT_EQ(build.status().code(), absl::StatusCode::kUnavailable) << build.status();
}

TEST_F(BuildFollowerTest, ANewAttemptReplacesTheOldOnesLog) {
  service_.Update("b1", [](v1::Build& build) {
    build.set_status(v1::BUILD_STATUS_RUNNING);
    SetStep(build, 0, v1::STEP_STATUS_RUNNING);
  });
  service_.AppendLog("step-0", 1, "first\n");
  Follow();
  recorder_.AwaitLog(0, "first\n");
  service_.AppendLog("step-0", 2, "second\n");
  service_.CompleteLog("step-0", 2);
  service_.Update("b1", [](v1::Build& build) {
    SetStep(build, 0, v1::STEP_STATUS_RUNNING, 2);
    build.set_status(v1::BUILD_STATUS_SUCCEEDED);
    SetStep(build, 0, v1::STEP_STATUS_SUCCEEDED, 2);
    build.mutable_steps(0)->set_log_bytes(7);
  });
  const auto build = Join();
  ASSERT_TRUE(build.ok()) << build.status();
  EXPECT_EQ(recorder_.Log(0, 1), "first\n");
  EXPECT_EQ(recorder_.Log(0, 2), "second\n");
  EXPECT_EQ(recorder_.complete_, std::vector<int>{0});
}

TEST_F(BuildFollowerTest, ALogThatNeverCompletesHoldsTheEndOnlyForItsGrace) {
  options_.log_grace = absl::Milliseconds(200);
  service_.Update("b1", [](v1::Build& build) {
    build.set_status(v1::BUILD_STATUS_SUCCEEDED);
    SetStep(build, 0, v1::STEP_STATUS_SUCCEEDED);
    build.mutable_steps(0)->set_log_bytes(100);
  });
  service_.AppendLog("step-0", 1, "part");
  Follow();
  const auto build = Join();
  ASSERT_TRUE(build.ok()) << build.status();
  EXPECT_EQ(recorder_.Log(0), "part");
  EXPECT_TRUE(recorder_.complete_.empty());
}

TEST_F(BuildFollowerTest, InterruptEndsItWithoutTouchingTheBuild) {
  service_.Update("b1", [](v1::Build& build) {
    build.set_status(v1::BUILD_STATUS_RUNNING);
    SetStep(build, 0, v1::STEP_STATUS_RUNNING);
  });
  service_.AppendLog("step-0", 1, "x");
  BuildFollower follower(stub_.get(), options_, &recorder_);
  std::thread interrupter([&] {
    recorder_.AwaitLog(0, "x");
    follower.Interrupt();
  });
  EXPECT_EQ(follower.Run().status().code(), absl::StatusCode::kCancelled);
  interrupter.join();
  EXPECT_TRUE(service_.Cancellations().empty());
}

TEST_F(BuildFollowerTest, AnUnknownBuildIsNotFound) {
  BuildFollower follower(stub_.get(), options_, &recorder_);
  const auto build = follower.Run();
  EXPECT_EQ(build.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(build.status().message(), "no build \"b1\"");
}

// What LiveView writes to two files.
class LiveViewTest : public BuildFollowerTest {
 protected:
  LiveViewTest()
      : out_(std::tmpfile()),
        err_(std::tmpfile()),
        terminal_(Terminal::Options{fileno(out_), fileno(err_), true}) {}
  ~LiveViewTest() override {
    std::fclose(out_);
    std::fclose(err_);
  }

  static std::string Contents(std::FILE* file) {
    std::string text(lseek(fileno(file), 0, SEEK_END), '\0');
    EXPECT_EQ(pread(fileno(file), &text[0], text.size(), 0), static_cast<ssize_t>(text.size()));
    return text;
  }

  void Show(ProgressMode mode) {
    LiveView view(&terminal_, {mode, false, service_.address()});
    BuildFollower follower(stub_.get(), options_, &view);
    const auto build = follower.Run();
    ASSERT_TRUE(build.ok()) << build.status();
    view.Finish(*build, absl::FromUnixSeconds(100));
  }

  void MakeFailedBuild() {
    service_.Update("b1", [](v1::Build& build) {
      build.set_status(v1::BUILD_STATUS_FAILED);
      build.mutable_submitted_at()->set_seconds(90);
      build.mutable_ended_at()->set_seconds(92);
      SetStep(build, 0, v1::STEP_STATUS_SUCCEEDED);
      build.mutable_steps(0)->set_log_bytes(6);
      SetStep(build, 1, v1::STEP_STATUS_FAILED);
      build.mutable_steps(1)->set_has_exit_code(true);
      build.mutable_steps(1)->set_exit_code(2);
      build.mutable_steps(1)->mutable_phases()->mutable_running()->set_seconds(1);
      build.mutable_steps(1)->set_log_bytes(50);
      build.mutable_workspace()->set_hash("abc");
    });
    service_.AppendLog("step-0", 1, "hello\n");
    service_.CompleteLog("step-0", 1);
    for (int i = 0; i < 25; ++i) service_.AppendLog("step-1", 1, absl::StrCat("line ", i, "\n"));
    service_.AppendLog("step-1", 1, "no newline", v1::LOG_STREAM_STDERR);
    service_.CompleteLog("step-1", 1);
  }

  std::FILE* const out_;
  std::FILE* const err_;
  Terminal terminal_;
};

TEST_F(LiveViewTest, PlainPutsLogsOnOutAndTheRestOnErr) {
  MakeFailedBuild();
  Show(ProgressMode::kPlain);
  const std::string out = Contents(out_);
  EXPECT_EQ(out.substr(0, 15), "step-0 | hello\n");
  EXPECT_EQ(out.substr(out.size() - 20), "step-1 | no newline\n");
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 27);
  const std::string err = Contents(err_);
  EXPECT_NE(err.find("==> step-0 succeeded\n"), std::string::npos) << err;
  EXPECT_NE(err.find("==> step-1 failed in 1.0s, exit code 2\n"), std::string::npos) << err;
  EXPECT_NE(err.find("\nstep step-1 failed, exit code 2\n"
                     "  ... all of it: rallyctl logs b1 step-1\n"
                     "  line 6\n"),
            std::string::npos)
      << err;
  EXPECT_NE(err.find("\nBuild b1 failed in 2.0s: 1 of 2 steps failed\n"
                     "Its files: rallyctl fetch b1 --to DIR\n"),
            std::string::npos)
      << err;
  EXPECT_EQ(err.find('\x1b'), std::string::npos) << "no escape sequences outside a terminal";
}

TEST_F(LiveViewTest, JsonIsAnObjectALine) {
  MakeFailedBuild();
  Show(ProgressMode::kJson);
  EXPECT_EQ(Contents(out_), "");
  const std::string err = Contents(err_);
  EXPECT_NE(err.find("\"event\":\"build\",\"build\":\"b1\",\"status\":\"failed\"}\n"),
            std::string::npos)
      << err;
  EXPECT_NE(err.find("\"event\":\"log\",\"step\":\"step-0\",\"attempt\":1,\"stream\":\"stdout\","
                     "\"line\":\"hello\"}\n"),
            std::string::npos)
      << err;
  EXPECT_NE(err.find("\"event\":\"step\",\"step\":\"step-1\",\"status\":\"failed\",\"attempt\":1,"
                     "\"agent\":\"agent-1\",\"exit_code\":2}\n"),
            std::string::npos)
      << err;
}

TEST_F(LiveViewTest, QuietSaysOnlyWhatFailed) {
  MakeFailedBuild();
  Show(ProgressMode::kQuiet);
  EXPECT_EQ(Contents(out_), "");
  const std::string err = Contents(err_);
  EXPECT_EQ(err.find("==>"), std::string::npos) << err;
  EXPECT_NE(err.find("step step-1 failed, exit code 2\n"), std::string::npos) << err;
}

}  // namespace
}  // namespace rally::rallyctl
