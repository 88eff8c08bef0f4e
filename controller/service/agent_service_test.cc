#include "controller/service/agent_service.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "build/bazel/remote/execution/v2/remote_execution.grpc.pb.h"
#include "common/blob/cas_client.h"
#include "common/blob/directory.h"
#include "controller/testing/controller_fixture.h"
#include "gmock/gmock.h"
#include "tests/support/eventually.h"

namespace rally::controller {
namespace {

using ::rally::testing::Eventually;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class AgentServiceTest : public ControllerFixture {
 protected:
  grpc::Status RefusalOf(v1::Hello hello) {
    ScriptedAgent agent(channel_, "x");
    agent.SayHello(std::move(hello));
    return agent.End();
  }
};

TEST_F(AgentServiceTest, AStepFromPrepareToItsAcknowledgedResult) {
  ScriptedAgent agent(channel_, "x");
  const v1::Welcome welcome = agent.Connect();
  EXPECT_EQ(welcome.epoch(), 1);
  EXPECT_GT(welcome.session(), 0);
  EXPECT_EQ(welcome.heartbeat().seconds(), 2);
  const std::string id = SubmitOneStep();
  const v1::ControllerMessage prepare = agent.Next();
  ASSERT_TRUE(prepare.has_prepare());
  EXPECT_EQ(prepare.prepare().epoch(), 1);
  EXPECT_EQ(prepare.prepare().spec().step_id(), "s");
  const v1::AttemptKey key = prepare.prepare().key();
  EXPECT_EQ(key.build_id(), id);
  EXPECT_EQ(key.attempt(), 1);
  agent.Prepared(key);
  ASSERT_TRUE(agent.Next().has_start_grant());
  agent.Started(key);
  AwaitStep(id, v1::STEP_STATUS_RUNNING);
  agent.Exited(key, 0);
  const v1::ControllerMessage ack = agent.Next();
  ASSERT_TRUE(ack.has_result_ack()) << ack.DebugString();
  EXPECT_EQ(ack.result_ack().key().build_id(), id);
  EXPECT_EQ(Get(id).status(), v1::BUILD_STATUS_SUCCEEDED);
}

TEST_F(AgentServiceTest, AResultWithAnOutputIsTakenAndItsTreeIsTheWorkspace) {
  blob::Directory directory;
  auto* link = directory.add_symlinks();
  link->set_name("link");
  link->set_target("target");
  const std::string bytes = blob::Serialise(directory);
  const blob::Digest digest = blob::DigestOf(bytes);
  blob::CasClient blobs(channel_, {});
  ASSERT_TRUE(blobs.Upload({{digest, bytes}}).ok());

  ScriptedAgent agent(channel_, "x");
  agent.Connect();
  const std::string id = SubmitOneStep();
  const v1::AttemptKey key = agent.RunNext();
  v1::Digest output;
  output.set_hash(digest.hash);
  output.set_size_bytes(digest.size_bytes);
  agent.Exited(key, 0, 0, output);
  EXPECT_TRUE(agent.Next().has_result_ack());
  ASSERT_TRUE(
      Eventually(kPatience, [&] { return Get(id).status() == v1::BUILD_STATUS_SUCCEEDED; }));
  EXPECT_EQ(Get(id).workspace().hash(), digest.hash);
}

TEST_F(AgentServiceTest, AMalformedOutputIsAFailureOfRallyNotASuccess) {
  ScriptedAgent agent(channel_, "x");
  agent.Connect();
  const std::string id = SubmitOneStep();
  const v1::AttemptKey key = agent.RunNext();
  v1::Digest output;
  output.set_hash("../../etc/passwd");
  agent.Exited(key, 0, -5, output);
  EXPECT_TRUE(agent.Next().has_result_ack());
  EXPECT_EQ(Get(id).steps(0).status(), v1::STEP_STATUS_ERRORED);
  EXPECT_EQ(Get(id).steps(0).log_bytes(), 0);
}

TEST_F(AgentServiceTest, HelloesThatMakeNoSenseAreRefused) {
  const v1::Hello good = ScriptedAgent(channel_, "x").MakeHello();
  v1::Hello hello = good;
  hello.set_protocol(2);
  grpc::Status status = RefusalOf(hello);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("protocol 2"));
  hello = good;
  hello.set_highest_epoch(1000);
  status = RefusalOf(hello);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("backup"));
  for (const std::string& name : {std::string(), std::string("two words"), std::string(200, 'x')}) {
    hello = good;
    hello.set_name(name);
    EXPECT_EQ(RefusalOf(hello).error_code(), grpc::StatusCode::FAILED_PRECONDITION) << name;
  }
  for (int slots : {0, -1, 1 << 20}) {
    hello = good;
    hello.set_slots(slots);
    EXPECT_EQ(RefusalOf(hello).error_code(), grpc::StatusCode::FAILED_PRECONDITION) << slots;
  }
  EXPECT_EQ(GetAgent("x").name(), "") << "none of them was taken in";
}

TEST_F(AgentServiceTest, TheFirstMessageIsHello) {
  ScriptedAgent agent(channel_, "x");
  agent.Heartbeat(1);
  const grpc::Status status = agent.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("Hello"));
}

TEST_F(AgentServiceTest, ANewSessionReplacesTheOldOne) {
  ScriptedAgent old(channel_, "x");
  const int64_t first = old.Connect().session();
  ScriptedAgent fresh(channel_, "x");
  EXPECT_GT(fresh.Connect().session(), first);
  // Cancelled where the controller doesn't know yet that its welcome was written.
  EXPECT_THAT(old.End().error_code(),
              AnyOf(grpc::StatusCode::ABORTED, grpc::StatusCode::CANCELLED));
  SubmitOneStep();
  EXPECT_TRUE(fresh.Next().has_prepare());
  EXPECT_TRUE(GetAgent("x").connected()) << "the end of the old one is not the agent's";
}

TEST_F(AgentServiceTest, AnotherHostWithTheNameOfAConnectedOneIsRefused) {
  ScriptedAgent agent(channel_, "x");
  v1::Hello copy = agent.MakeHello();
  agent.Connect();
  copy.set_incarnation("another disk");
  EXPECT_EQ(RefusalOf(copy).error_code(), grpc::StatusCode::ALREADY_EXISTS);
  SubmitOneStep();
  EXPECT_TRUE(agent.Next().has_prepare());
  agent.HangUp();
  ASSERT_TRUE(Eventually(kPatience, [&] { return !GetAgent("x").connected(); }));
  ScriptedAgent another(channel_, "x");
  another.SayHello(copy);
  EXPECT_TRUE(another.Next().has_welcome());
}

TEST_F(AgentServiceTest, ManyReconnectsAtOnceLeaveOneSession) {
  SubmitOneStep();
  std::vector<std::unique_ptr<ScriptedAgent>> agents;
  const auto add_one = [&]() -> ScriptedAgent& {
    agents.push_back(std::make_unique<ScriptedAgent>(channel_, "x"));
    agents.back()->SayHello(agents.back()->MakeHello());
    return *agents.back();
  };
  for (int i = 0; i < 20; ++i) {
    ScriptedAgent& agent = add_one();
    if (i % 3 == 0) agent.HangUp();
  }
  // The controller takes them up in an order of its own.
  for (const auto& agent : agents) agent->Hears();
  // Whatever came before, the last one is welcomed first and then told what to do. It is replaced
  // where one that hung up is taken up only now, and comes again, as agents do.
  bool told = false;
  for (int i = 0; i < 20 && !told; ++i) {
    ScriptedAgent& last = add_one();
    if (!last.Hears()) continue;
    const v1::ControllerMessage first = last.Next();
    EXPECT_TRUE(first.has_welcome()) << first.DebugString();
    if (!last.Hears()) continue;
    EXPECT_TRUE(last.Next().has_prepare());
    told = true;
  }
  EXPECT_TRUE(told);
  agents.back()->HangUp();
  for (const auto& agent : agents) agent->End();
}

TEST_F(AgentServiceTest, WhatAnAgentHoldsIsJudgedOnHello) {
  const std::string id = SubmitOneStep();
  v1::AttemptKey key;
  {
    ScriptedAgent agent(channel_, "x");
    agent.Connect();
    key = agent.RunNext();
    LogWriter log(logs_.get());
    EXPECT_EQ(log.Append(key, 0, "hello").durable_offset(), 5);
  }
  ScriptedAgent agent(channel_, "x");
  v1::AttemptKey unknown = key;
  unknown.set_build_id("other");
  const v1::Welcome welcome = agent.Connect(
      {Report(key, v1::ATTEMPT_STATE_RUNNING), Report(unknown, v1::ATTEMPT_STATE_RUNNING)});
  ASSERT_EQ(welcome.verdicts_size(), 2);
  EXPECT_EQ(welcome.verdicts(0).verdict(), v1::VERDICT_KEEP);
  EXPECT_EQ(welcome.verdicts(0).log_offset(), 5) << "the log goes on from here";
  EXPECT_EQ(welcome.verdicts(1).verdict(), v1::VERDICT_KILL);
  agent.Exited(key, 0);
  EXPECT_TRUE(agent.Next().has_result_ack());
  EXPECT_EQ(Get(id).status(), v1::BUILD_STATUS_SUCCEEDED);
}

TEST_F(AgentServiceTest, WordsAboutOthersAttemptsChangeNothing) {
  ScriptedAgent agent(channel_, "x");
  agent.Connect();
  const std::string id = SubmitOneStep();
  const v1::AttemptKey key = agent.RunNext();
  AwaitStep(id, v1::STEP_STATUS_RUNNING);
  const std::string before = Get(id).SerializeAsString();

  ScriptedAgent liar(channel_, "liar");
  liar.Connect();
  std::vector<v1::AttemptKey> keys(1, key);
  for (int step : {-1, 1, 1 << 30}) {
    keys.push_back(key);
    keys.back().set_step(step);
  }
  for (int attempt : {-1, 0, 2, 1 << 30}) {
    keys.push_back(key);
    keys.back().set_attempt(attempt);
  }
  keys.push_back(key);
  keys.back().set_build_id("");
  for (ScriptedAgent* speaker : {&liar, &agent}) {
    for (const v1::AttemptKey& bad : keys) {
      if (speaker == &agent && &bad == &keys[0]) continue;  // that one is its own
      speaker->Prepared(bad);
      speaker->Started(bad);
      v1::AgentMessage rejected;
      *rejected.mutable_rejected()->mutable_key() = bad;
      rejected.mutable_rejected()->set_cause(v1::REJECT_CAUSE_PERMANENT);
      speaker->Send(rejected);
      speaker->Exited(bad, 1, 1000);
      const v1::ControllerMessage ack = speaker->Next();
      ASSERT_TRUE(ack.has_result_ack()) << "so that the agent can forget it";
    }
  }
  EXPECT_EQ(Get(id).SerializeAsString(), before);
  agent.Exited(key, 0);
  EXPECT_TRUE(agent.Next().has_result_ack());
  EXPECT_EQ(Get(id).status(), v1::BUILD_STATUS_SUCCEEDED);
}

TEST_F(AgentServiceTest, WhatAnAgentDoesForAStepIsShownUntilItIsDone) {
  ScriptedAgent agent(channel_, "x");
  agent.Connect();
  const std::string id = SubmitOneStep();
  const v1::AttemptKey key = agent.Next().prepare().key();
  v1::AttemptKey late = key;
  late.set_attempt(7);
  agent.Heartbeat(1, true, {{key, "pulling image i"}, {late, "pulling image j"}});
  ASSERT_TRUE(Eventually(kPatience, [&] { return !Get(id).steps(0).activity().empty(); }));
  EXPECT_EQ(Get(id).steps(0).message(), "is being prepared on x: pulling image i");

  // Cut between characters.
  agent.Heartbeat(2, true, {{key, std::string(499, 'm') + "\xC3\xA9..."}});
  ASSERT_TRUE(
      Eventually(kPatience, [&] { return Get(id).steps(0).activity() == std::string(499, 'm'); }));

  agent.Prepared(key);
  EXPECT_TRUE(agent.Next().has_start_grant());
  EXPECT_EQ(Get(id).steps(0).message(), "starts on x");
  EXPECT_EQ(Get(id).steps(0).activity(), "");
}

TEST_F(AgentServiceTest, AFullAgentGetsNoWorkUntilItHasRoomAgain) {
  ScriptedAgent agent(channel_, "x");
  agent.Connect();
  agent.Heartbeat(1, /*accepts_work=*/false);
  ASSERT_TRUE(Eventually(kPatience, [&] { return GetAgent("x").state() == "full"; }));
  const std::string id = SubmitOneStep();
  EXPECT_EQ(Get(id).steps(0).status(), v1::STEP_STATUS_READY);
  agent.Heartbeat(2, /*accepts_work=*/true);
  EXPECT_TRUE(agent.Next().has_prepare());
}

}  // namespace
}  // namespace rally::controller
