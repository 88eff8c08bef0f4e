#include "agent/log_uploader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "agent/fake_controller_for_test.h"
#include "agent/keeper/embedded.h"
#include "common/rpc/channel.h"
#include "tests/support/eventually.h"

namespace rally::agent {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

v1::AttemptKey Key() {
  v1::AttemptKey key;
  key.set_build_id("b1");
  key.set_attempt(1);
  return key;
}

class LogUploaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = absl::StrCat(::testing::TempDir(), "/upload.XXXXXX");
    ASSERT_NE(mkdtemp(&directory_[0]), nullptr);
    logs::KeeperClient::Options keeping;
    keeping.directory = directory_ + "/keeper";
    keeping.executable = keeper::EmbeddedKeeper();
    auto keeper = logs::KeeperClient::Start(keeping);
    ASSERT_EQ(keeper.status(), absl::OkStatus());
    keeper_ = *std::move(keeper);
    logs::AttemptLog::Options options;
    options.key = "b1-0-1";
    options.stdout_fifo = directory_ + "/out";
    options.stderr_fifo = directory_ + "/err";
    options.spool_path = directory_ + "/spool";
    options.partial_line_wait = absl::Milliseconds(1);
    auto log = logs::AttemptLog::Start(keeper_.get(), options);
    ASSERT_EQ(log.status(), absl::OkStatus());
    log_ = *std::move(log);
    fifo_ = open(options.stdout_fifo.c_str(), O_WRONLY | O_CLOEXEC);
    ASSERT_GE(fifo_, 0);

    rpc::Security security;
    security.insecure = true;
    auto channel = rpc::Dial(controller_.address(), security, rpc::Connection::kOwn);
    ASSERT_EQ(channel.status(), absl::OkStatus());
    uploader_ = std::make_unique<LogUploader>(*channel);
    uploader_->Start([this](const v1::AttemptKey&) { durable_.Notify(); });
  }

  void TearDown() override {
    uploader_.reset();
    log_.reset();
    if (fifo_ >= 0) close(fifo_);
    EXPECT_EQ(
        logs::AttemptLog::Remove(keeper_.get(), "b1-0-1", directory_ + "/out", directory_ + "/err"),
        absl::OkStatus());
    EXPECT_EQ(keeper_->ExitIfIdle(), absl::OkStatus());
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  void Write(const std::string& text) {
    size_t done = 0;
    while (done < text.size()) {
      const ssize_t written = write(fifo_, text.data() + done, text.size() - done);
      ASSERT_GT(written, 0);
      done += written;
    }
  }
  void Finish() {
    close(fifo_);
    fifo_ = -1;
    EXPECT_EQ(log_->Finish(kPatience).status(), absl::OkStatus());
  }
  void AwaitText(const std::string& text) {
    EXPECT_TRUE(testing::Eventually(kPatience, [&] { return controller_.LogText() == text; }))
        << controller_.LogText().size() << " bytes of " << text.size();
  }

  FakeController controller_;
  std::string directory_;
  std::unique_ptr<logs::KeeperClient> keeper_;
  std::shared_ptr<logs::AttemptLog> log_;
  int fifo_ = -1;
  absl::Notification durable_;
  std::unique_ptr<LogUploader> uploader_;
};

std::string Lines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) absl::StrAppend(&text, "line ", i, "\n");
  return text;
}

TEST_F(LogUploaderTest, LinesArriveWhileTheStepRuns) {
  uploader_->Add(Key(), log_, 0);
  Write("one\n");
  AwaitText("one\n");
  Write("two\n");
  AwaitText("one\ntwo\n");
  EXPECT_FALSE(durable_.HasBeenNotified());
  Finish();
  EXPECT_TRUE(durable_.WaitForNotificationWithTimeout(kPatience));
  EXPECT_TRUE(controller_.LogComplete());
}

TEST_F(LogUploaderTest, AnEmptyLogIsCompleteToo) {
  uploader_->Add(Key(), log_, 0);
  Finish();
  EXPECT_TRUE(durable_.WaitForNotificationWithTimeout(kPatience));
  EXPECT_TRUE(controller_.LogComplete());
  EXPECT_EQ(controller_.LogText(), "");
}

TEST_F(LogUploaderTest, ManyMegabytesPassTheWindow) {
  uploader_->Add(Key(), log_, 0);
  const std::string text = Lines(1'000'000);
  Write(text);
  Finish();
  EXPECT_TRUE(durable_.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(controller_.LogText() == text, true);
}

TEST_F(LogUploaderTest, ABrokenStreamLosesAndRepeatsNothing) {
  controller_.BreakLogStreamAfter(2);
  uploader_->Add(Key(), log_, 0);
  const std::string text = Lines(200'000);
  Write(text);
  Finish();
  EXPECT_TRUE(durable_.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(controller_.LogText() == text, true);
}

TEST_F(LogUploaderTest, AFullDiskAtTheControllerIsWaitedFor) {
  controller_.FailAppends(3);
  uploader_->Add(Key(), log_, 0);
  Write("precious\n");
  Finish();
  EXPECT_TRUE(durable_.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(controller_.LogText(), "precious\n");
  EXPECT_GE(controller_.appends(), 4);
}

TEST_F(LogUploaderTest, AfterARestartTheControllerSaysFromWhere) {
  Write("known already\n");
  ASSERT_TRUE(testing::Eventually(kPatience, [&] { return log_->spool().end_offset() == 14; }));
  uploader_->Add(Key(), log_, absl::nullopt);
  Write("new\n");
  ASSERT_TRUE(testing::Eventually(kPatience, [&] { return log_->spool().end_offset() == 18; }));
  EXPECT_EQ(controller_.appends(), 0);
  uploader_->Resume(Key(), 0);
  AwaitText("known already\nnew\n");
  uploader_->Resume(Key(), 3);  // Meant for nobody: what is under way knows better.
  Finish();
  EXPECT_TRUE(durable_.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(controller_.LogText(), "known already\nnew\n");
}

TEST_F(LogUploaderTest, WhatTheControllerSaysBeforeTheLogIsOpenCounts) {
  Write("one\n");
  uploader_->Resume(Key(), 0);
  uploader_->Add(Key(), log_, absl::nullopt);
  AwaitText("one\n");
  Finish();
  EXPECT_TRUE(durable_.WaitForNotificationWithTimeout(kPatience));
}

// All was sent, nothing was acknowledged: the stream must come back though nothing new is said.
TEST_F(LogUploaderTest, AStreamThatBreaksOverTheLastAppendComesBack) {
  Write("all of it\n");
  Finish();
  controller_.BreakLogStreamAfter(0);
  uploader_->Add(Key(), log_, 0);
  EXPECT_TRUE(durable_.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(controller_.LogText(), "all of it\n");
}

TEST_F(LogUploaderTest, DroppingLetsGoOfTheLog) {
  uploader_->Add(Key(), log_, 0);
  Write("unwanted\n");
  uploader_->Drop(Key());
  EXPECT_EQ(log_.use_count(), 1);
  EXPECT_FALSE(durable_.HasBeenNotified());
}

}  // namespace
}  // namespace rally::agent
