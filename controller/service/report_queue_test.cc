#include "controller/service/report_queue.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"

namespace rally::controller {
namespace {

using ::rally::testing::Eventually;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class NoJournal : public store::Journal {
 public:
  absl::Status Append(absl::Span<const v1::JournalEvent>) override { return absl::OkStatus(); }
  absl::Status Replay(const std::function<absl::Status(const v1::JournalEvent&)>&) override {
    return absl::OkStatus();
  }
  absl::StatusOr<int64_t> NextEpoch() override { return 1; }
};

// The agents in the order in which the core heard of them.
class ListeningSink : public CommandSink {
 public:
  void SendToAgent(const std::string& agent, const core::Command&, int64_t) override {
    absl::MutexLock lock(&mutex_);
    welcomed_.push_back(agent);
  }
  void Trace(core::TraceBlobs) override {}
  void Join(core::JoinTrees) override {}
  bool IsWatched(const std::string&) override { return false; }
  void Publish(const core::Build&) override {}
  void LogEnds(const core::AttemptKey&, int64_t) override {}
  std::vector<std::string> welcomed() {
    absl::MutexLock lock(&mutex_);
    return welcomed_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::string> welcomed_;
};

class ReportQueueTest : public ::testing::Test {
 protected:
  ReportQueueTest() {
    loop_ = *Loop::Open({}, std::make_unique<NoJournal>(), &sink_);
    loop_->Start();
    ReportQueue::Parts parts;
    parts.loop = loop_.get();
    parts.workers = &workers_;
    parts.blobs_are_durable = [this] { return durable_.load(); };
    parts.sync_blobs = [this] {
      ++syncs_;
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&open_));
      return sync_result_;
    };
    queue_ = std::make_shared<ReportQueue>(parts, [this](const absl::Status& status) {
      absl::MutexLock lock(&mutex_);
      failures_.push_back(status);
    });
  }

  static core::Event Event(const std::string& name) {
    core::AgentConnected event;
    event.agent = name;
    event.session = 1;
    event.slots = 1;
    return event;
  }
  void SetGate(bool open, absl::Status result = absl::OkStatus()) {
    absl::MutexLock lock(&mutex_);
    open_ = open;
    sync_result_ = std::move(result);
  }
  std::vector<absl::Status> failures() {
    absl::MutexLock lock(&mutex_);
    return failures_;
  }
  void Settle() {
    absl::Notification done;
    ASSERT_TRUE(loop_->Query([&](const core::Core&) { done.Notify(); }));
    done.WaitForNotification();
  }
  bool Heard(size_t count) {
    return Eventually(absl::Seconds(20), [&] { return sink_.welcomed().size() >= count; });
  }

  std::atomic<bool> durable_{false};
  std::atomic<int> syncs_{0};
  absl::Mutex mutex_;
  bool open_ = true;
  absl::Status sync_result_;
  std::vector<absl::Status> failures_;
  ListeningSink sink_;
  std::unique_ptr<Loop> loop_;
  WorkerPool workers_{1, 10};
  std::shared_ptr<ReportQueue> queue_;
};

TEST_F(ReportQueueTest, WhatNeedsNoBlobsGoesAtOnce) {
  queue_->Add(Event("a"), false);
  Settle();
  EXPECT_THAT(sink_.welcomed(), ElementsAre("a"));
  EXPECT_EQ(syncs_, 0);
}

TEST_F(ReportQueueTest, BlobsThatAreDurableCostNothing) {
  durable_ = true;
  queue_->Add(Event("a"), true);
  Settle();
  EXPECT_THAT(sink_.welcomed(), ElementsAre("a"));
  EXPECT_EQ(syncs_, 0);
}

TEST_F(ReportQueueTest, WhatComesAfterAResultWaitsBehindIt) {
  SetGate(false);
  queue_->Add(Event("a"), true);
  queue_->Add(Event("b"), false);
  queue_->Add(Event("c"), true);
  Settle();
  EXPECT_THAT(sink_.welcomed(), IsEmpty()) << "nothing before the blobs are durable";
  SetGate(true);
  ASSERT_TRUE(Heard(3));
  EXPECT_THAT(sink_.welcomed(), ElementsAre("a", "b", "c"));
  EXPECT_LE(syncs_, 2) << "those that wait share a sync";
}

TEST_F(ReportQueueTest, AFailedSyncIsToldOnceAndNothingOfItIsReported) {
  SetGate(false);
  queue_->Add(Event("a"), true);
  queue_->Add(Event("b"), false);
  SetGate(true, absl::ResourceExhaustedError("full"));
  ASSERT_TRUE(Eventually(absl::Seconds(20), [&] { return !failures().empty(); }));
  queue_->Add(Event("c"), false);
  Settle();
  EXPECT_THAT(sink_.welcomed(), IsEmpty());
  EXPECT_THAT(failures(), ElementsAre(absl::ResourceExhaustedError("full")));
}

TEST_F(ReportQueueTest, WithoutRoomForTheWorkTheSessionIsToldToTryAgain) {
  workers_.Stop();
  queue_->Add(Event("a"), true);
  ASSERT_EQ(failures().size(), 1u);
  EXPECT_EQ(failures()[0].code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace rally::controller
