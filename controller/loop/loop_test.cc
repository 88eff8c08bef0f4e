#include "controller/loop/loop.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "controller/wire/event_wire.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"

namespace rally::controller {
namespace {

using ::rally::testing::Eventually;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr absl::Duration kPatience = absl::Seconds(20);

std::string NameOf(const v1::JournalEvent& event) {
  return event.GetDescriptor()->FindFieldByNumber(event.event_case())->name();
}

// What a disk would keep, and what happened in which order. Thread-safe.
class FakeDisk {
 public:
  absl::Status Append(absl::Span<const v1::JournalEvent> events) {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&open_));
    ++attempts_;
    if (!failure_.ok()) return failure_;
    batches_.push_back(static_cast<int>(events.size()));
    for (const v1::JournalEvent& event : events) {
      events_.push_back(event);
      happened_.push_back("kept " + NameOf(event));
    }
    return absl::OkStatus();
  }
  void Happened(std::string what) {
    absl::MutexLock lock(&mutex_);
    happened_.push_back(std::move(what));
  }
  void SetOpen(bool open) {
    absl::MutexLock lock(&mutex_);
    open_ = open;
  }
  void FailWith(absl::Status failure) {
    absl::MutexLock lock(&mutex_);
    failure_ = std::move(failure);
  }
  std::vector<std::string> happened() {
    absl::MutexLock lock(&mutex_);
    return happened_;
  }
  std::vector<int> batches() {
    absl::MutexLock lock(&mutex_);
    return batches_;
  }
  std::vector<v1::JournalEvent> events() {
    absl::MutexLock lock(&mutex_);
    return events_;
  }
  int attempts() {
    absl::MutexLock lock(&mutex_);
    return attempts_;
  }
  int64_t NextEpoch() { return ++epoch_; }
  void AddOld(v1::JournalEvent event) {
    absl::MutexLock lock(&mutex_);
    events_.push_back(std::move(event));
  }

 private:
  absl::Mutex mutex_;
  bool open_ = true;
  absl::Status failure_;
  int attempts_ = 0;
  int64_t epoch_ = 0;
  std::vector<int> batches_;
  std::vector<v1::JournalEvent> events_;
  std::vector<std::string> happened_;
};

class FakeJournal : public store::Journal {
 public:
  explicit FakeJournal(FakeDisk* disk) : disk_(disk) {}
  absl::Status Append(absl::Span<const v1::JournalEvent> events) override {
    return disk_->Append(events);
  }
  absl::Status Replay(const std::function<absl::Status(const v1::JournalEvent&)>& visit) override {
    for (const v1::JournalEvent& event : disk_->events()) {
      if (absl::Status status = visit(event); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  absl::StatusOr<int64_t> NextEpoch() override { return disk_->NextEpoch(); }

 private:
  FakeDisk* const disk_;
};

class FakeSink : public CommandSink {
 public:
  explicit FakeSink(FakeDisk* disk) : disk_(disk) {}

  void SendToAgent(const std::string& agent, const core::Command& command, int64_t) override {
    std::string word = "other";
    if (std::holds_alternative<core::SendWelcome>(command)) word = "welcome";
    if (std::holds_alternative<core::SendPrepare>(command)) word = "prepare";
    if (std::holds_alternative<core::SendStartGrant>(command)) word = "grant";
    if (std::holds_alternative<core::SendResultAck>(command)) word = "ack";
    disk_->Happened(absl::StrCat(word, " ", agent));
  }
  void Trace(core::TraceBlobs) override { disk_->Happened("trace"); }
  void Join(core::JoinTrees) override { disk_->Happened("join"); }
  bool IsWatched(const std::string& build_id) override { return build_id == watched_; }
  void Publish(const core::Build& build) override {
    const absl::Time until = absl::Now() + publishing_takes_;
    while (absl::Now() < until) continue;
    int prepared = 0;
    for (const core::Step& step : build.steps) prepared += step.prepared ? 1 : 0;
    absl::MutexLock lock(&mutex_);
    published_.push_back(prepared);
  }
  void LogEnds(const core::AttemptKey& key, int64_t log_end) override {
    disk_->Happened(absl::StrCat("log of ", key.step, "-", key.attempt, " ends at ", log_end));
  }

  void Watch(std::string build, absl::Duration publishing_takes) {
    watched_ = std::move(build);
    publishing_takes_ = publishing_takes;
  }
  // How many steps were prepared, in each state that was published.
  std::vector<int> published() {
    absl::MutexLock lock(&mutex_);
    return published_;
  }

 private:
  FakeDisk* const disk_;
  std::string watched_;
  absl::Duration publishing_takes_;
  absl::Mutex mutex_;
  std::vector<int> published_;
};

core::BuildSubmitted Submission(const std::string& id, int steps = 1) {
  core::BuildSubmitted event;
  event.build_id = id;
  event.idempotency_key = "key-" + id;
  event.context = {"ctx", 1};
  event.total_timeout = absl::Hours(1);
  for (int i = 0; i < steps; ++i) {
    core::StepDefinition step;
    step.spec.id = absl::StrCat("s", i);
    step.spec.image = "img@sha256:0";
    step.timeout = absl::Minutes(1);
    event.steps.push_back(step);
  }
  return event;
}

core::AgentConnected Hello(const std::string& agent, int64_t session = 1, int slots = 1) {
  core::AgentConnected event;
  event.agent = agent;
  event.session = session;
  event.incarnation = "disk";
  event.slots = slots;
  return event;
}

class LoopTest : public ::testing::Test {
 protected:
  LoopTest() {
    options_.core.restart_settle = absl::Milliseconds(1);
    options_.journal_retry = absl::Milliseconds(5);
  }

  void Start() {
    loop_.reset();
    auto loop = Loop::Open(options_, std::make_unique<FakeJournal>(&disk_), &sink_);
    ASSERT_TRUE(loop.ok()) << loop.status();
    loop_ = *std::move(loop);
    loop_->Start();
    Settle();
  }

  // All that was posted before has been dealt with.
  void Settle() {
    absl::Notification done;
    ASSERT_TRUE(loop_->Query([&](const core::Core&) { done.Notify(); }));
    done.WaitForNotification();
  }

  template <typename T>
  T Ask(std::function<T(const core::Core&)> question) {
    T answer{};
    absl::Notification done;
    EXPECT_TRUE(loop_->Query([&](const core::Core& core) {
      answer = question(core);
      done.Notify();
    }));
    done.WaitForNotification();
    return answer;
  }

  absl::Status Propose(core::Event event) {
    absl::Status result;
    absl::Notification done;
    EXPECT_TRUE(loop_->PostProposal([&](const core::Core&) { return event; },
                                    [&](const absl::Status& status, const core::Core&) {
                                      disk_.Happened("answered");
                                      result = status;
                                      done.Notify();
                                    }));
    done.WaitForNotification();
    return result;
  }

  bool HasAgent(const std::string& name) {
    return Ask<bool>([name](const core::Core& core) { return core.Agents().count(name) == 1; });
  }

  FakeDisk disk_;
  FakeSink sink_{&disk_};
  Loop::Options options_;
  std::unique_ptr<Loop> loop_;
};

TEST_F(LoopTest, EventsAreKeptBeforeTheyActAndPeopleAreToldLast) {
  Start();
  ASSERT_TRUE(loop_->TryPost(Hello("x")));
  Settle();
  ASSERT_TRUE(Propose(Submission("b")).ok());
  EXPECT_THAT(disk_.happened(),
              ElementsAre("kept controller_started", "kept agent_connected", "welcome x",
                          "kept build_submitted", "prepare x", "answered"));
}

TEST_F(LoopTest, NothingHappensBeforeStart) {
  auto loop = Loop::Open(options_, std::make_unique<FakeJournal>(&disk_), &sink_);
  ASSERT_TRUE(loop.ok());
  EXPECT_EQ((*loop)->epoch(), 1);
  EXPECT_THAT(disk_.happened(), IsEmpty());
}

TEST_F(LoopTest, WhatWaitsTogetherIsKeptInOneTransaction) {
  Start();
  disk_.SetOpen(false);
  ASSERT_TRUE(loop_->TryPost(Hello("first")));
  // The first is being written, or is about to be; what comes now waits for it.
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(loop_->TryPost(Hello(absl::StrCat("a", i))));
  disk_.SetOpen(true);
  ASSERT_TRUE(Eventually(kPatience, [&] { return HasAgent("a99"); }));
  EXPECT_LE(disk_.batches().size(), 3u) << "the start, the first, the rest";
  EXPECT_EQ(disk_.events().size(), 102u);
}

TEST_F(LoopTest, WithAFullJournalPeopleAreRefusedAndReportsWait) {
  Start();
  disk_.FailWith(absl::ResourceExhaustedError("the disk is full"));
  ASSERT_TRUE(loop_->TryPost(Hello("x")));
  EXPECT_EQ(Propose(Submission("b")), absl::ResourceExhaustedError("the disk is full"));
  EXPECT_FALSE(HasAgent("x")) << "what isn't kept isn't applied";
  EXPECT_THAT(disk_.happened(), Not(Contains("welcome x")));

  disk_.FailWith(absl::OkStatus());
  ASSERT_TRUE(Eventually(kPatience, [&] { return HasAgent("x"); }));
  EXPECT_FALSE(Ask<bool>([](const core::Core& core) { return core.FindBuild("b") != nullptr; }))
      << "what was refused must not happen later";
  EXPECT_TRUE(Propose(Submission("b")).ok());
  Settle();
  EXPECT_THAT(disk_.happened(), Contains("prepare x"));
}

TEST_F(LoopTest, AFullJournalIsLeftAloneForAWhileAndQuestionsAreAnswered) {
  options_.journal_retry = absl::Hours(1);
  Start();
  ASSERT_TRUE(loop_->TryPost(Hello("x")));
  Settle();
  ASSERT_TRUE(Propose(Submission("b")).ok());
  disk_.FailWith(absl::ResourceExhaustedError("full"));
  const int before = disk_.attempts();
  ASSERT_TRUE(loop_->Heartbeat("x", false));
  ASSERT_TRUE(Eventually(kPatience, [&] { return disk_.attempts() > before; }))
      << "that the agent takes no more has to be kept";
  for (int i = 0; i < 100; ++i) {
    loop_->Heartbeat("x", i % 2 == 0);
    EXPECT_EQ(Propose(core::CancelRequested{"b", ""}).code(), absl::StatusCode::kResourceExhausted);
    EXPECT_TRUE(HasAgent("x"));
  }
  EXPECT_LE(disk_.attempts(), before + 1);
}

TEST_F(LoopTest, AFloodIsRefusedButNotWhatTheControllerBringsAbout) {
  options_.mailbox_capacity = 4;
  Start();
  disk_.SetOpen(false);
  ASSERT_TRUE(loop_->TryPost(Hello("first")));
  int taken = 0;
  while (taken < 100 && loop_->TryPost(Hello("x", taken + 1))) ++taken;
  EXPECT_GE(taken, 3) << "the first may still wait, too";
  EXPECT_LE(taken, 8);
  EXPECT_TRUE(loop_->Post(core::AgentDisconnected{"x", taken}));
  absl::Notification asked;
  EXPECT_TRUE(loop_->Query([&](const core::Core&) { asked.Notify(); }))
      << "reports must not keep people out";
  disk_.SetOpen(true);
  asked.WaitForNotification();
  EXPECT_EQ(Ask<int64_t>([](const core::Core& core) { return core.Agents().at("x").session; }), 0);
}

TEST_F(LoopTest, SilentAgentsAreSuspectThenLostAndAHeartbeatBringsThemBack) {
  options_.liveness = {absl::Milliseconds(20), absl::Milliseconds(60)};
  Start();
  ASSERT_TRUE(loop_->TryPost(Hello("x")));
  auto liveness = [&] {
    std::vector<int> all;
    for (const v1::JournalEvent& event : disk_.events()) {
      if (event.has_agent_liveness()) all.push_back(event.agent_liveness().liveness());
    }
    return all;
  };
  ASSERT_TRUE(Eventually(kPatience, [&] { return liveness().size() >= 2; }));
  loop_->Heartbeat("x", true);
  ASSERT_TRUE(Eventually(kPatience, [&] { return liveness().size() >= 3; }));
  const std::vector<int> all = liveness();
  EXPECT_EQ(all[0], static_cast<int>(core::Liveness::kSuspect));
  EXPECT_EQ(all[1], static_cast<int>(core::Liveness::kLost));
  EXPECT_EQ(all[2], static_cast<int>(core::Liveness::kAlive));
}

TEST_F(LoopTest, AHeartbeatOfNobodyIsNothing) {
  Start();
  loop_->Heartbeat("nobody", false);
  Settle();
  EXPECT_EQ(disk_.events().size(), 1u);
}

TEST_F(LoopTest, AWallClockThatWasSetBackFreezesNothing) {
  v1::JournalEvent later = wire::ToProto(core::ControllerStarted{1}, absl::Now() + absl::Hours(24));
  disk_.AddOld(later);
  options_.liveness = {absl::Milliseconds(5), absl::Milliseconds(10)};
  Start();
  ASSERT_TRUE(loop_->TryPost(Hello("x")));
  EXPECT_TRUE(Eventually(kPatience, [&] {
    return Ask<bool>([](const core::Core& core) {
      auto x = core.Agents().find("x");
      return x != core.Agents().end() && x->second.liveness == core::Liveness::kLost;
    });
  }));
  for (const v1::JournalEvent& event : disk_.events()) {
    EXPECT_GE(event.time().seconds(), later.time().seconds())
        << "the journal's time never goes back";
  }
}

TEST_F(LoopTest, ARestartReplaysToTheSameStateUnderAHigherEpoch) {
  Start();
  ASSERT_TRUE(loop_->TryPost(Hello("x", 1, 4)));
  ASSERT_TRUE(Propose(Submission("b", 3)).ok());
  ASSERT_TRUE(loop_->TryPost(core::AttemptPrepared{"x", {"b", 0, 1}, "sha256:1", {}, {}}));
  ASSERT_TRUE(loop_->TryPost(core::AttemptStarted{"x", {"b", 0, 1}, absl::Seconds(1)}));
  auto state = [](const core::Core& core) { return core::Fingerprint(core); };
  const std::string live = Ask<std::string>(state);
  const int64_t first_epoch = loop_->epoch();
  loop_.reset();

  core::Core replayed(options_.core);
  for (const v1::JournalEvent& record : disk_.events()) {
    auto timed = wire::FromProto(record);
    ASSERT_TRUE(timed.ok());
    ASSERT_TRUE(replayed.Apply(timed->event, timed->time).ok());
  }
  EXPECT_EQ(core::Fingerprint(replayed), live);
  EXPECT_THAT(live, HasSubstr("b"));

  const auto kept = disk_.events().size();
  Start();
  EXPECT_GT(loop_->epoch(), first_epoch);
  EXPECT_EQ(loop_->replayed(), static_cast<int64_t>(kept));
  EXPECT_EQ(Ask<core::StepStatus>(
                [](const core::Core& core) { return core.FindBuild("b")->steps[0].status; }),
            core::StepStatus::kRunning);
}

TEST_F(LoopTest, AnEventThatTheCoreRefusedDoesNotStopTheNextStart) {
  Start();
  core::BuildSubmitted wrong = Submission("b");
  wrong.steps[0].dependencies = {7};
  ASSERT_TRUE(loop_->Post(wrong));
  ASSERT_TRUE(Propose(Submission("c")).ok());
  Start();
  EXPECT_TRUE(Ask<bool>([](const core::Core& core) {
    return core.FindBuild("b") == nullptr && core.FindBuild("c") != nullptr;
  }));
}

TEST_F(LoopTest, OnlyTheAgentThatHasAnAttemptEndsItsLog) {
  Start();
  ASSERT_TRUE(loop_->TryPost(Hello("x")));
  Settle();
  ASSERT_TRUE(Propose(Submission("b")).ok());
  core::AttemptEnded ended;
  ended.log_end = 5;
  for (const auto& [agent, key] :
       std::vector<std::pair<std::string, core::AttemptKey>>{{"y", {"b", 0, 1}},
                                                             {"x", {"b", 0, 2}},
                                                             {"x", {"b", 9, 1}},
                                                             {"x", {"b", -1, 1}},
                                                             {"x", {"no", 0, 1}}}) {
    ended.agent = agent;
    ended.key = key;
    ASSERT_TRUE(loop_->TryPost(ended));
  }
  Settle();
  EXPECT_THAT(disk_.happened(), Not(Contains(HasSubstr("log of"))));
  EXPECT_EQ(Ask<core::StepStatus>(
                [](const core::Core& core) { return core.FindBuild("b")->steps[0].status; }),
            core::StepStatus::kAssigned);
  ended.agent = "x";
  ended.key = {"b", 0, 1};
  ASSERT_TRUE(loop_->TryPost(ended));
  Settle();
  EXPECT_THAT(disk_.happened(), Contains("log of 0-1 ends at 5"));
}

TEST_F(LoopTest, StatesThatAreDearToShowAreShownLessOftenAndTheLastOneAlways) {
  constexpr int kSteps = 50;
  sink_.Watch("b", absl::Milliseconds(5));
  Start();
  ASSERT_TRUE(loop_->TryPost(Hello("x", 1, kSteps)));
  const absl::Time start = absl::Now();
  ASSERT_TRUE(Propose(Submission("b", kSteps)).ok());
  for (int i = 0; i < kSteps; ++i) {
    ASSERT_TRUE(loop_->TryPost(core::AttemptPrepared{"x", {"b", i, 1}, "sha256:1", {}, {}}));
    Settle();
  }
  ASSERT_TRUE(Eventually(
      kPatience, [&] { return !sink_.published().empty() && sink_.published().back() == kSteps; }));
  // Each costs 5 ms, so there may be one in 100 ms.
  EXPECT_LE(sink_.published().size(), 2 + (absl::Now() - start) / absl::Milliseconds(100));
}

TEST_F(LoopTest, WhatNobodyWatchesIsNotShown) {
  Start();
  ASSERT_TRUE(Propose(Submission("b")).ok());
  Settle();
  EXPECT_THAT(sink_.published(), IsEmpty());
}

}  // namespace
}  // namespace rally::controller
