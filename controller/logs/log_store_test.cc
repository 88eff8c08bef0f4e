#include "controller/logs/log_store.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::controller {
namespace {

class LogStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = ::testing::TempDir() + "/logs-" +
                 ::testing::UnitTest::GetInstance()->current_test_info()->name() +
                 std::to_string(getpid());
    Reopen();
  }

  void Reopen(size_t idle_logs = 256) {
    store_.reset();
    auto store = LogStore::Open(directory_, {idle_logs});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  // Appends and waits until it is durable.
  absl::StatusOr<int64_t> Append(int64_t offset, const std::string& bytes, bool complete = false) {
    absl::Notification done;
    absl::StatusOr<int64_t> durable = int64_t{-1};
    std::vector<log::Record> records;
    if (!bytes.empty()) records.push_back({offset, log::Stream::kStdout, absl::Now(), bytes});
    absl::Status status =
        store_->Append(key_, records, complete, [&](absl::StatusOr<int64_t> offset) {
          durable = offset;
          done.Notify();
        });
    if (!status.ok()) return status;
    done.WaitForNotification();
    return durable;
  }

  std::string ReadAll(bool* complete) {
    auto chunk = store_->Read(key_, 0, 1 << 20);
    EXPECT_TRUE(chunk.ok()) << chunk.status();
    std::string bytes;
    for (const log::Record& record : chunk->records) bytes += record.bytes;
    *complete = chunk->complete;
    return bytes;
  }

  core::AttemptKey key_{"build1", 0, 1};
  std::string directory_;
  std::unique_ptr<LogStore> store_;
};

TEST_F(LogStoreTest, AcknowledgesWhatIsDurableAndReadsItBackAfterReopening) {
  EXPECT_EQ(*Append(0, "hello "), 6);
  EXPECT_EQ(*Append(6, "world", /*complete=*/true), 11);
  bool complete = false;
  EXPECT_EQ(ReadAll(&complete), "hello world");
  EXPECT_TRUE(complete);
  Reopen();
  EXPECT_EQ(ReadAll(&complete), "hello world");
  EXPECT_TRUE(complete);
}

TEST_F(LogStoreTest, AGapIsRefusedAndTheEndTellsWhatIsExpected) {
  ASSERT_EQ(*Append(0, "abc"), 3);
  EXPECT_EQ(Append(5, "x").status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(store_->EndOffset(key_), 3);
}

TEST_F(LogStoreTest, WhatIsSentAgainIsSkippedAndADifferenceIsRefused) {
  ASSERT_EQ(*Append(0, "abc"), 3);
  EXPECT_EQ(*Append(0, "abcdef"), 6);
  EXPECT_EQ(Append(0, "xyz").status().code(), absl::StatusCode::kAlreadyExists);
  bool complete = true;
  EXPECT_EQ(ReadAll(&complete), "abcdef");
  EXPECT_FALSE(complete);
}

TEST_F(LogStoreTest, FollowersWakeOnceForNewBytesAndForTheEnd) {
  int woken = 0;
  store_->NotifyBeyond(key_, 0, [&] { ++woken; });
  EXPECT_EQ(woken, 0);
  ASSERT_EQ(*Append(0, "abc"), 3);
  EXPECT_EQ(woken, 1);
  store_->NotifyBeyond(key_, 3, [&] { ++woken; });
  EXPECT_EQ(woken, 1);
  store_->SetEnd(key_, 3);
  EXPECT_EQ(woken, 2);
  store_->NotifyBeyond(key_, 3, [&] { ++woken; });
  EXPECT_EQ(woken, 3) << "a complete log wakes at once";
}

TEST_F(LogStoreTest, ACancelledFollowerIsNotWoken) {
  int woken = 0;
  const int64_t id = store_->NotifyBeyond(key_, 0, [&] { ++woken; });
  store_->Cancel(key_, id);
  ASSERT_EQ(*Append(0, "abc"), 3);
  EXPECT_EQ(woken, 0);
}

TEST_F(LogStoreTest, AnEndBeyondWhatIsStoredWaitsForTheRest) {
  ASSERT_EQ(*Append(0, "abc"), 3);
  store_->SetEnd(key_, 6);
  bool complete = true;
  EXPECT_EQ(ReadAll(&complete), "abc");
  EXPECT_FALSE(complete);
  ASSERT_EQ(*Append(3, "def"), 6);
  EXPECT_EQ(ReadAll(&complete), "abcdef");
  EXPECT_TRUE(complete);
}

TEST_F(LogStoreTest, ManyMayReadAFinishedLogAtOnce) {
  ASSERT_EQ(*Append(0, std::string(60000, 'x'), /*complete=*/true), 60000);
  Reopen(1);
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&, i] {
      for (int round = 0; round < 200; ++round) {
        auto chunk = store_->Read(key_, 0, 1 << 20);
        if (!chunk.ok() || !chunk->complete || chunk->records[0].bytes.size() != 60000) ++wrong;
        // Others push it out of what stays open.
        if (!store_->Read({"other", i, 1 + round}, 0, 1).ok()) ++wrong;
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(LogStoreTest, LogsThatNobodyUsesAreClosedAndComeBack) {
  Reopen(4);
  auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  const auto before = open_files();
  for (int i = 0; i < 24; ++i) {
    key_.step = i;
    ASSERT_EQ(*Append(0, "abc"), 3);
  }
  EXPECT_LE(open_files(), before + 8);
  for (int i = 0; i < 24; ++i) {
    key_.step = i;
    ASSERT_EQ(*Append(3, "def"), 6);
  }
}

TEST_F(LogStoreTest, ALogThatSomebodyWaitsForStaysKnown) {
  Reopen(1);
  int woken = 0;
  store_->NotifyBeyond(key_, 0, [&] { ++woken; });
  for (int i = 1; i < 20; ++i) store_->EndOffset({"build1", i, 1});
  ASSERT_EQ(*Append(0, "abc"), 3);
  EXPECT_EQ(woken, 1);
}

TEST_F(LogStoreTest, WhoWaitsIsWokenWhenTheRestIsGivenUp) {
  ASSERT_EQ(*Append(0, "abc"), 3);
  int woken = 0;
  store_->NotifyBeyond(key_, 3, [&] { ++woken; });
  store_->SetEnd(key_, 100);
  EXPECT_EQ(woken, 1) << "to look at the new end";
  store_->NotifyBeyond(key_, 3, [&] { ++woken; });
  store_->SetEnd(key_, -1);
  EXPECT_EQ(woken, 2);
  bool complete = true;
  ReadAll(&complete);
  EXPECT_FALSE(complete) << "an end that is known isn't taken back";
}

TEST_F(LogStoreTest, KeysThatAreNoNamesAreRefused) {
  std::vector<log::Record> none;
  EXPECT_EQ(store_->Append({"../x", 0, 1}, none, false, [](absl::StatusOr<int64_t>) {}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->Read({"a", 0, 0}, 0, 1).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rally::controller
