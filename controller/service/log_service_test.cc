#include "controller/service/log_service.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/testing/controller_fixture.h"
#include "gmock/gmock.h"

namespace rally::controller {
namespace {

using ::testing::HasSubstr;

// What agents send (LogService) and what people read of it (BuildService.ReadLog).
class LogServiceTest : public ControllerFixture {
 protected:
  void SetUp() override {
    ControllerFixture::SetUp();
    agent_ = std::make_unique<ScriptedAgent>(channel_, "x");
    agent_->Connect();
    build_ = SubmitOneStep();
  }
  void TearDown() override {
    writer_.reset();
    agent_.reset();
  }

  void RunStep() {
    key_ = agent_->RunNext();
    AwaitStep(build_, v1::STEP_STATUS_RUNNING);
  }
  v1::LogAck Append(int64_t offset, const std::string& bytes, bool complete = false) {
    if (writer_ == nullptr) writer_ = std::make_unique<LogWriter>(logs_.get());
    return writer_->Append(key_, offset, bytes, complete);
  }
  v1::ReadLogRequest Request(bool follow, int64_t offset = 0, int attempt = 0) {
    v1::ReadLogRequest request;
    request.set_build_id(build_);
    request.set_step_id("s");
    request.set_follow(follow);
    request.set_offset(offset);
    request.set_attempt(attempt);
    return request;
  }
  grpc::Status RefusalOf(const v1::ReadLogRequest& request) {
    grpc::Status status;
    EXPECT_EQ(LogFollower(builds_.get(), request).ReadToEnd(&status), "");
    return status;
  }

  std::unique_ptr<ScriptedAgent> agent_;
  std::unique_ptr<LogWriter> writer_;
  std::string build_;
  v1::AttemptKey key_;
};

TEST_F(LogServiceTest, AcknowledgesWhatIsDurable) {
  RunStep();
  v1::LogAck ack = Append(0, "hello ");
  EXPECT_EQ(ack.error(), "");
  EXPECT_EQ(ack.durable_offset(), 6);
  EXPECT_EQ(ack.key().build_id(), build_);
  EXPECT_EQ(Append(6, "world").durable_offset(), 11);
  StartController();
  LogFollower reader(builds_.get(), Request(/*follow=*/false));
  EXPECT_EQ(reader.ReadToEnd(), "hello world");
}

TEST_F(LogServiceTest, AGapIsRefusedWithWhatIsExpected) {
  RunStep();
  ASSERT_EQ(Append(0, "abc").durable_offset(), 3);
  const v1::LogAck ack = Append(7, "x");
  EXPECT_NE(ack.error(), "");
  EXPECT_EQ(ack.expected_offset(), 3);
  EXPECT_EQ(Append(3, "d").durable_offset(), 4) << "the stream goes on";
}

TEST_F(LogServiceTest, WhatIsSentAgainMayOverlapButNotDiffer) {
  RunStep();
  ASSERT_EQ(Append(0, "abc").durable_offset(), 3);
  EXPECT_EQ(Append(1, "bcde").durable_offset(), 5);
  const v1::LogAck ack = Append(0, "xyz");
  EXPECT_THAT(ack.error(), HasSubstr("conflict"));
  EXPECT_EQ(ack.expected_offset(), 5);
  LogFollower reader(builds_.get(), Request(/*follow=*/false));
  EXPECT_EQ(reader.ReadToEnd(), "abcde");
}

TEST_F(LogServiceTest, LogsOfAttemptsThatNeverWereAreRefused) {
  RunStep();
  const v1::AttemptKey good = key_;
  for (int attempt : {-1, 0, 2}) {
    key_.set_attempt(attempt);
    EXPECT_THAT(Append(0, "x").error(), HasSubstr("no such attempt"));
  }
  key_ = good;
  for (int step : {-1, 1}) {
    key_.set_step(step);
    EXPECT_THAT(Append(0, "x").error(), HasSubstr("no such attempt"));
  }
  key_ = good;
  key_.set_build_id("../../journal");
  EXPECT_THAT(Append(0, "x").error(), HasSubstr("no such attempt"));
  key_ = good;
  EXPECT_EQ(Append(0, "x").durable_offset(), 1);
}

TEST_F(LogServiceTest, ManyAppendsWithoutWaitingAreAllAcknowledged) {
  RunStep();
  constexpr int kAppends = 1000;
  auto context = Context();
  auto stream = logs_->Append(context.get());
  std::thread writer([&] {
    for (int i = 0; i < kAppends; ++i) {
      v1::LogAppend append;
      *append.mutable_key() = key_;
      append.add_records()->set_offset(i * 3);
      append.mutable_records(0)->set_data("abc");
      ASSERT_TRUE(stream->Write(append));
    }
  });
  v1::LogAck ack;
  int64_t durable = 0;
  int answers = 0;
  while (answers < kAppends && stream->Read(&ack)) {
    ++answers;
    EXPECT_EQ(ack.error(), "");
    EXPECT_GE(ack.durable_offset(), durable);
    durable = ack.durable_offset();
  }
  writer.join();
  EXPECT_EQ(answers, kAppends);
  EXPECT_EQ(durable, kAppends * 3);
  context->TryCancel();
  stream->Finish();
}

TEST_F(LogServiceTest, ReadsFromAnyOffset) {
  RunStep();
  ASSERT_EQ(Append(0, "hello world").durable_offset(), 11);
  EXPECT_EQ(LogFollower(builds_.get(), Request(false, 6)).ReadToEnd(), "world");
  EXPECT_EQ(LogFollower(builds_.get(), Request(false, 11)).ReadToEnd(), "");
  EXPECT_EQ(RefusalOf(Request(false, 12)).error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(RefusalOf(Request(false, -1)).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(LogServiceTest, WhatIsNotThereIsNotFound) {
  v1::ReadLogRequest request = Request(false);
  request.set_step_id("nostep");
  grpc::Status status = RefusalOf(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("nostep"));
  request = Request(true);
  request.set_build_id("nobuild");
  EXPECT_EQ(RefusalOf(request).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(RefusalOf(Request(false, 0, 5)).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(LogServiceTest, AFollowerThatCameBeforeTheFirstAttemptSeesItAllToTheEnd) {
  LogFollower follower(builds_.get(), Request(/*follow=*/true));
  RunStep();
  ASSERT_EQ(Append(0, "one\n").durable_offset(), 4);
  EXPECT_EQ(follower.Read(4), "one\n");
  ASSERT_EQ(Append(4, "two\n").durable_offset(), 8);
  EXPECT_EQ(follower.Read(4), "two\n");
  // The result overtakes the end of the log.
  agent_->Exited(key_, 0, /*log_end=*/12);
  ASSERT_TRUE(agent_->Next().has_result_ack());
  ASSERT_EQ(Append(8, "end\n", /*complete=*/true).durable_offset(), 12);
  EXPECT_EQ(follower.ReadToEnd(), "end\n");
  EXPECT_EQ(follower.attempt(), 1);
}

TEST_F(LogServiceTest, AFollowerOfAStepWithoutOutputEndsWithTheStep) {
  LogFollower follower(builds_.get(), Request(/*follow=*/true));
  RunStep();
  agent_->Exited(key_, 0);
  EXPECT_EQ(follower.ReadToEnd(), "");
}

TEST_F(LogServiceTest, AFollowerGoesOnWithTheNextAttempt) {
  LogFollower follower(builds_.get(), Request(/*follow=*/true));
  LogFollower first(builds_.get(), Request(/*follow=*/false));
  RunStep();
  LogFollower of_first(builds_.get(), Request(/*follow=*/true, 0, /*attempt=*/1));
  ASSERT_EQ(Append(0, "first\n").durable_offset(), 6);
  agent_->Broke(key_, 6);
  ASSERT_TRUE(agent_->Next().has_result_ack());
  RunStep();
  ASSERT_EQ(key_.attempt(), 2);
  ASSERT_EQ(Append(0, "second\n", /*complete=*/true).durable_offset(), 7);
  agent_->Exited(key_, 0, 7);
  EXPECT_EQ(follower.ReadToEnd(), "first\nsecond\n") << "all of the one, then all of the other";
  EXPECT_EQ(follower.attempt(), 2);
  EXPECT_EQ(of_first.ReadToEnd(), "first\n") << "who asked for an attempt gets no other";
  EXPECT_EQ(LogFollower(builds_.get(), Request(false, 0, 1)).ReadToEnd(), "first\n");
  EXPECT_EQ(LogFollower(builds_.get(), Request(true)).ReadToEnd(), "second\n");
}

TEST_F(LogServiceTest, AFollowerDoesNotWaitForTheRestOfALostAgentsLog) {
  options_.heartbeat = absl::Milliseconds(50);
  options_.suspect_after = absl::Milliseconds(200);
  options_.lost_after = absl::Milliseconds(400);
  TearDown();
  StartController();
  agent_ = std::make_unique<ScriptedAgent>(channel_, "x");
  agent_->Connect();
  key_ = agent_->RunNext();
  ASSERT_EQ(Append(0, "half").durable_offset(), 4);
  agent_->Exited(key_, 0, /*log_end=*/100);
  ASSERT_TRUE(agent_->Next().has_result_ack());
  LogFollower follower(builds_.get(), Request(/*follow=*/true));
  EXPECT_EQ(follower.Read(4), "half");
  EXPECT_EQ(follower.ReadToEnd(), "");
}

TEST_F(LogServiceTest, ReadersThatGoAwayDisturbNobody) {
  RunStep();
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round) {
        LogFollower follower(builds_.get(), Request(/*follow=*/true));
        if (i % 2 == 0) follower.Read(1);
        follower.Cancel();
        EXPECT_NE(follower.Finish().error_code(), grpc::StatusCode::OK);
      }
    });
  }
  int64_t offset = 0;
  for (int i = 0; i < 50; ++i) offset = Append(offset, "some bytes\n").durable_offset();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(offset, 50 * 11);
  EXPECT_EQ(LogFollower(builds_.get(), Request(false)).ReadToEnd().size(), 50u * 11);
}

TEST_F(LogServiceTest, ALongLogComesWholeWhileItGrows) {
  RunStep();
  LogFollower follower(builds_.get(), Request(/*follow=*/true));
  std::string sent;
  std::thread reader([&] { EXPECT_EQ(follower.ReadToEnd().size(), 40u * 60000); });
  for (int i = 0; i < 40; ++i) {
    const std::string bytes(60000, static_cast<char>('a' + i % 26));
    ASSERT_EQ(Append(sent.size(), bytes, i == 39).error(), "");
    sent += bytes;
  }
  agent_->Exited(key_, 0, static_cast<int64_t>(sent.size()));
  reader.join();
  EXPECT_EQ(LogFollower(builds_.get(), Request(false)).ReadToEnd(), sent);
}

TEST_F(LogServiceTest, AStopEndsFollowersSoon) {
  RunStep();
  ASSERT_EQ(Append(0, "x").durable_offset(), 1);
  LogFollower follower(builds_.get(), Request(/*follow=*/true));
  ASSERT_EQ(follower.Read(1), "x");
  std::thread stopper([&] { controller_.reset(); });
  grpc::Status status;
  follower.ReadToEnd(&status);
  stopper.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
}

}  // namespace
}  // namespace rally::controller
