#include "agent/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/executor_rig_for_test.h"
#include "agent/fake_controller_for_test.h"
#include "common/rpc/channel.h"
#include "tests/support/eventually.h"

namespace rally::agent {
namespace {

using ::testing::SizeIs;

constexpr absl::Duration kPatience = absl::Seconds(10);

class SessionTest : public ::testing::Test {
 protected:
  void StartSession() {
    rpc::Security security;
    security.insecure = true;
    auto channel = rpc::Dial(controller_.address(), security, rpc::Connection::kOwn);
    ASSERT_EQ(channel.status(), absl::OkStatus());
    Session::Identity identity;
    identity.name = "host-1";
    identity.boot_id = "boot-1";
    identity.slots = 2;
    identity.labels = {{"arch", "amd64"}};
    session_ = std::make_unique<Session>(*channel, identity, &rig_.journal(), &rig_.executor(),
                                         &rig_.outbox(), [this] { return health_; });
    session_->Start();
  }
  void TearDown() override { session_.reset(); }

  v1::ControllerMessage PrepareMessage(int step, int64_t epoch) {
    v1::ControllerMessage message;
    *message.mutable_prepare() = rig_.Prepare(step);
    message.mutable_prepare()->set_epoch(epoch);
    return message;
  }
  v1::ControllerMessage GrantMessage(int step) {
    v1::ControllerMessage message;
    *message.mutable_start_grant() = rig_.Grant(step);
    return message;
  }
  void AwaitConnected() {
    ASSERT_TRUE(testing::Eventually(kPatience, [this] { return session_->connected(); }));
  }

  FakeController controller_;
  ExecutorRig rig_;
  Session::Health health_;
  std::unique_ptr<Session> session_;
};

TEST_F(SessionTest, HelloSaysWhoTheAgentIs) {
  StartSession();
  const v1::Hello hello = controller_.Next().hello();
  EXPECT_EQ(hello.name(), "host-1");
  EXPECT_EQ(hello.boot_id(), "boot-1");
  EXPECT_EQ(hello.incarnation(), rig_.journal().incarnation());
  EXPECT_EQ(hello.slots(), 2);
  EXPECT_EQ(hello.labels().at("arch"), "amd64");
  EXPECT_FALSE(hello.resumed());
  EXPECT_THAT(hello.attempts(), SizeIs(0));
  EXPECT_TRUE(testing::Eventually(kPatience, [&] { return controller_.heartbeats() >= 3; }));
}

TEST_F(SessionTest, AnAttemptFromPrepareToItsAcknowledgement) {
  StartSession();
  controller_.Next();  // Hello.
  AwaitConnected();
  controller_.Send(PrepareMessage(0, 1));
  EXPECT_EQ(controller_.Next().prepared().image_digest(), "sha256:0123");
  controller_.Send(GrantMessage(0));
  EXPECT_TRUE(controller_.Next().has_started());
  rig_.host().End("b1-0-1", 6);
  EXPECT_EQ(controller_.Next().result().exit_code(), 6);
  v1::ControllerMessage ack;
  *ack.mutable_result_ack()->mutable_key() = rig_.Key(0);
  controller_.Send(ack);
  rig_.executor().OnLogDurable(rig_.Key(0));
  EXPECT_TRUE(rig_.AwaitIdle());
}

TEST_F(SessionTest, ANewSessionSaysEverythingAgain) {
  StartSession();
  controller_.Next();
  AwaitConnected();
  controller_.Send(PrepareMessage(0, 1));
  EXPECT_TRUE(controller_.Next().has_prepared());
  controller_.EndSessions();
  const v1::Hello hello = controller_.Next().hello();
  EXPECT_TRUE(hello.resumed());
  ASSERT_THAT(hello.attempts(), SizeIs(1));
  EXPECT_EQ(hello.attempts(0).state(), v1::ATTEMPT_STATE_PREPARED);
  EXPECT_TRUE(controller_.Next().has_prepared());
}

TEST_F(SessionTest, AResultThatNobodyHeardIsSentInTheNextSession) {
  StartSession();
  controller_.Next();
  AwaitConnected();
  controller_.Send(PrepareMessage(0, 1));
  controller_.Next();
  controller_.Send(GrantMessage(0));
  controller_.Next();
  controller_.EndSessions();
  rig_.host().End("b1-0-1", 5);
  const v1::Hello hello = controller_.Next().hello();
  ASSERT_THAT(hello.attempts(), SizeIs(1));
  v1::AgentMessage message = controller_.Next();
  if (message.has_started()) message = controller_.Next();
  EXPECT_EQ(message.result().exit_code(), 5);
}

TEST_F(SessionTest, AKillVerdictComesBeforeAnythingElse) {
  rig_.Run(0);
  v1::Welcome welcome;
  welcome.set_epoch(1);
  v1::AttemptVerdict* verdict = welcome.add_verdicts();
  *verdict->mutable_key() = rig_.Key(0);
  verdict->set_verdict(v1::VERDICT_KILL);
  controller_.SetWelcome(welcome);
  StartSession();
  EXPECT_EQ(controller_.Next().hello().attempts(0).state(), v1::ATTEMPT_STATE_RUNNING);
  EXPECT_TRUE(rig_.AwaitIdle());
  EXPECT_FALSE(rig_.host().Exists("b1-0-1"));
}

TEST_F(SessionTest, OrdersOfADeposedControllerAreIgnored) {
  v1::Welcome welcome;
  welcome.set_epoch(5);
  controller_.SetWelcome(welcome);
  StartSession();
  controller_.Next();
  AwaitConnected();
  controller_.Send(PrepareMessage(0, 4));
  controller_.Send(PrepareMessage(1, 5));
  EXPECT_EQ(controller_.Next().prepared().key().step(), 1);
  EXPECT_THAT(rig_.executor().Summaries(), SizeIs(1));
  EXPECT_EQ(rig_.journal().highest_epoch(), 5);
}

TEST_F(SessionTest, ADeposedControllersWelcomeIsRefused) {
  ASSERT_EQ(rig_.journal().RaiseEpoch(9), absl::OkStatus());
  StartSession();
  EXPECT_EQ(controller_.Next().hello().highest_epoch(), 9);
  // It's dialled again and again, but never obeyed.
  EXPECT_EQ(controller_.Next().hello().highest_epoch(), 9);
  EXPECT_FALSE(session_->connected());
  EXPECT_EQ(controller_.heartbeats(), 0);
}

TEST_F(SessionTest, LostBlobsThatAreHereAreSentAgain) {
  const blob::Digest here = blob::DigestOf("here");
  const blob::Digest elsewhere = blob::DigestOf("elsewhere");
  rig_.workspaces().Keep({here});
  StartSession();
  controller_.Next();  // Hello.
  AwaitConnected();
  v1::ControllerMessage message;
  v1::UploadBlobs* upload = message.mutable_upload_blobs();
  *upload->mutable_key() = ExecutorRig::Key(7, 3);
  upload->set_epoch(1);
  for (const std::string& hash : {here.hash, elsewhere.hash, std::string("no hash")}) {
    v1::Digest* digest = upload->add_digests();
    digest->set_hash(hash);
    digest->set_size_bytes(hash == here.hash ? here.size_bytes : elsewhere.size_bytes);
  }
  controller_.Send(message);
  const v1::AgentMessage answer = controller_.Next();
  ASSERT_TRUE(answer.has_blobs_uploaded()) << answer.DebugString();
  EXPECT_EQ(answer.blobs_uploaded().key().step(), 7);
  EXPECT_EQ(answer.blobs_uploaded().key().attempt(), 3);
  ASSERT_EQ(answer.blobs_uploaded().digests_size(), 1);
  EXPECT_EQ(answer.blobs_uploaded().digests(0).hash(), here.hash);
}

TEST_F(SessionTest, HeartbeatsGoOnWhileAllAttemptsAreStuck) {
  rig_.host().Hold("EnsureImage");
  StartSession();
  controller_.Next();
  AwaitConnected();
  for (int step = 0; step < 4; ++step) controller_.Send(PrepareMessage(step, 1));
  const int before = controller_.heartbeats();
  EXPECT_TRUE(
      testing::Eventually(kPatience, [&] { return controller_.heartbeats() > before + 5; }));
  rig_.host().Release("EnsureImage");
}

TEST_F(SessionTest, StoppingTakesNoTimeEvenWithoutAController) {
  controller_.SetAnswersHeartbeats(false);
  StartSession();
  controller_.Next();
  const absl::Time begin = absl::Now();
  session_->Stop();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2));
}

TEST_F(SessionTest, AnsweredHeartbeatsKeepALease) {
  runtime::FakeScript script;
  script.runs_until_ended = true;
  rig_.host().SetScript("b1-0-1", script);
  StartSession();
  controller_.Next();
  AwaitConnected();
  controller_.Send(PrepareMessage(0, 1));
  controller_.Next();
  v1::ControllerMessage grant = GrantMessage(0);
  grant.mutable_start_grant()->mutable_exclusive_lease()->set_seconds(1);
  controller_.Send(grant);
  EXPECT_TRUE(controller_.Next().has_started());
  // Heartbeats are 20 ms apart: this is more than two leases.
  const int before = controller_.heartbeats();
  ASSERT_TRUE(testing::Eventually(absl::Seconds(20),
                                  [&] { return controller_.heartbeats() > before + 110; }));
  EXPECT_TRUE(rig_.host().SignalsTo("b1-0-1").empty());
  controller_.SetAnswersHeartbeats(false);
  const v1::Result result = controller_.Next().result();
  EXPECT_EQ(result.kind(), v1::END_KIND_ERRORED) << "heartbeats alone are no contact";
  EXPECT_TRUE(result.may_retry());
}

}  // namespace
}  // namespace rally::agent
