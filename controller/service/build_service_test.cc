#include "controller/service/build_service.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/testing/controller_fixture.h"
#include "gmock/gmock.h"
#include "tests/support/eventually.h"

namespace rally::controller {
namespace {

using ::rally::testing::Eventually;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BuildServiceTest : public ControllerFixture {
 protected:
  v1::SubmitRequest Request() {
    v1::SubmitRequest request;
    request.set_idempotency_key("key");
    request.set_pipeline(OneStep());
    return request;
  }

  std::unique_ptr<grpc::ClientReader<v1::Build>> Watch(grpc::ClientContext* context,
                                                       const std::string& build_id) {
    v1::WatchBuildRequest request;
    request.set_build_id(build_id);
    return builds_->WatchBuild(context, request);
  }

  grpc::Status Cancel(const std::string& build_id, v1::Build* build) {
    v1::CancelBuildRequest request;
    request.set_build_id(build_id);
    request.set_reason("enough");
    return builds_->CancelBuild(Context().get(), request, build);
  }
};

TEST_F(BuildServiceTest, TheSameKeyAndContentIsTheSameBuild) {
  v1::SubmitResponse first;
  ASSERT_TRUE(Submit(Request(), &first).ok());
  EXPECT_FALSE(first.existed());
  v1::SubmitResponse again;
  ASSERT_TRUE(Submit(Request(), &again).ok());
  EXPECT_EQ(again.build_id(), first.build_id());
  EXPECT_TRUE(again.existed());
  v1::SubmitRequest other = Request();
  other.set_idempotency_key("another");
  v1::SubmitResponse second;
  ASSERT_TRUE(Submit(other, &second).ok());
  EXPECT_NE(second.build_id(), first.build_id());
}

TEST_F(BuildServiceTest, ManyAtOnceWithOneKeyMakeOneBuild) {
  std::vector<std::thread> clients;
  std::vector<v1::SubmitResponse> responses(8);
  for (v1::SubmitResponse& response : responses) {
    clients.emplace_back([&] { EXPECT_TRUE(Submit(Request(), &response).ok()); });
  }
  for (std::thread& client : clients) client.join();
  int made = 0;
  for (const v1::SubmitResponse& response : responses) {
    EXPECT_EQ(response.build_id(), responses[0].build_id());
    made += response.existed() ? 0 : 1;
  }
  EXPECT_EQ(made, 1);
}

TEST_F(BuildServiceTest, TheSameKeyWithOtherContentIsRefused) {
  v1::SubmitResponse first;
  ASSERT_TRUE(Submit(Request(), &first).ok());
  v1::SubmitRequest other = Request();
  other.set_pipeline(OneStep() + "timeout = \"7s\"\n");
  v1::SubmitResponse response;
  const grpc::Status status = Submit(other, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(status.error_message(), HasSubstr(first.build_id()));
  v1::SubmitRequest labelled = Request();
  (*labelled.mutable_labels())["pool"] = "big";
  EXPECT_EQ(Submit(labelled, &response).error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(BuildServiceTest, AnIncompleteContextIsRefusedByTheNamesOfWhatIsMissing) {
  v1::SubmitRequest request = Request();
  request.mutable_context()->set_hash(std::string(64, 'a'));
  request.mutable_context()->set_size_bytes(123);
  v1::SubmitResponse response;
  const grpc::Status status = Submit(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr(std::string(64, 'a') + "/123"));
  request.mutable_context()->set_hash("../../etc/passwd");
  EXPECT_EQ(Submit(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(BuildServiceTest, ErrorsOfThePipelineComeWithTheirLines) {
  v1::SubmitRequest request = Request();
  request.set_pipeline_name("ci/rally.toml");
  request.set_pipeline(OneStep() + "timeout = \"60\"\n[[step]]\nid = \"s\"\nargs = [\"x\"]\n");
  v1::SubmitResponse response;
  const grpc::Status status = Submit(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(),
              AllOf(HasSubstr("ci/rally.toml:5:"), HasSubstr("ci/rally.toml:7:")));
}

TEST_F(BuildServiceTest, WhatIsTooLargeIsRefused) {
  v1::SubmitResponse response;
  v1::SubmitRequest request = Request();
  request.set_idempotency_key("");
  EXPECT_EQ(Submit(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_idempotency_key(std::string(257, 'k'));
  EXPECT_EQ(Submit(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request = Request();
  for (int i = 0; i < 65; ++i) (*request.mutable_labels())[absl::StrCat("l", i)] = "x";
  EXPECT_EQ(Submit(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request = Request();
  request.set_pipeline(std::string((1 << 20) + 1, '#'));
  EXPECT_EQ(Submit(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(BuildServiceTest, ALongNameInAnyAlphabetSurvivesARestart) {
  v1::SubmitRequest request = Request();
  std::string name = "x";
  while (name.size() < 400) name += "\xC3\xA4";  // cut at 256 bytes this is half a letter
  request.set_pipeline_name(name);
  v1::SubmitResponse response;
  ASSERT_TRUE(Submit(request, &response).ok());
  StartController();
  EXPECT_EQ(Get(response.build_id()).pipeline_name(), name.substr(0, 255));
}

TEST_F(BuildServiceTest, GetTellsTheWholeBuild) {
  const v1::Build build = Get(SubmitOneStep());
  EXPECT_EQ(build.status(), v1::BUILD_STATUS_RUNNING);
  EXPECT_EQ(build.pipeline_name(), "rally.toml");
  ASSERT_EQ(build.steps_size(), 1);
  EXPECT_EQ(build.steps(0).id(), "s");
  EXPECT_EQ(build.steps(0).image(), kImage);
  EXPECT_THAT(build.steps(0).message(), Not(IsEmpty())) << "why it waits";
}

TEST_F(BuildServiceTest, BuildsThatAreNotThereAreNotFound) {
  v1::GetBuildRequest get;
  get.set_build_id("nobuild");
  v1::Build build;
  const grpc::Status status = builds_->GetBuild(Context().get(), get, &build);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("nobuild"));
  EXPECT_EQ(Cancel("nobuild", &build).error_code(), grpc::StatusCode::NOT_FOUND);
  auto context = Context();
  auto watch = Watch(context.get(), "nobuild");
  EXPECT_FALSE(watch->Read(&build));
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(BuildServiceTest, ListIsNewestFirstAndBrief) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(SubmitOneStep(absl::StrCat("key", i)));
  v1::ListBuildsRequest request;
  request.set_limit(3);
  v1::ListBuildsResponse response;
  ASSERT_TRUE(builds_->ListBuilds(Context().get(), request, &response).ok());
  ASSERT_EQ(response.builds_size(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(response.builds(i).id(), ids[4 - i]);
  ASSERT_EQ(response.builds(0).steps_size(), 1);
  EXPECT_EQ(response.builds(0).steps(0).status(), v1::STEP_STATUS_READY);
  EXPECT_THAT(response.builds(0).steps(0).image(), IsEmpty());
}

TEST_F(BuildServiceTest, WatchShowsTheStateThenChangesThenTheEnd) {
  const std::string id = SubmitOneStep();
  auto context = Context();
  auto watch = Watch(context.get(), id);
  v1::Build build;
  ASSERT_TRUE(watch->Read(&build));
  EXPECT_EQ(build.status(), v1::BUILD_STATUS_RUNNING);
  EXPECT_EQ(build.steps(0).status(), v1::STEP_STATUS_READY);
  int64_t revision = build.revision();

  ScriptedAgent agent(channel_, "x");
  agent.Connect();
  const v1::AttemptKey key = agent.RunNext();
  while (build.steps(0).status() != v1::STEP_STATUS_RUNNING) {
    ASSERT_TRUE(watch->Read(&build));
    EXPECT_GT(build.revision(), revision) << "each state once, in order";
    revision = build.revision();
  }
  EXPECT_EQ(build.steps(0).agent(), "x");
  agent.Exited(key, 3);
  while (watch->Read(&build)) continue;
  EXPECT_TRUE(watch->Finish().ok());
  EXPECT_EQ(build.status(), v1::BUILD_STATUS_FAILED);
  EXPECT_EQ(build.steps(0).exit_code(), 3);

  auto late = Context();
  watch = Watch(late.get(), id);
  ASSERT_TRUE(watch->Read(&build)) << "also who comes when it has ended sees the end";
  EXPECT_EQ(build.status(), v1::BUILD_STATUS_FAILED);
  EXPECT_FALSE(watch->Read(&build));
  EXPECT_TRUE(watch->Finish().ok());
}

TEST_F(BuildServiceTest, WatchersThatGoAwayDisturbNobody) {
  const std::string id = SubmitOneStep();
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        auto context = Context();
        auto watch = Watch(context.get(), id);
        v1::Build build;
        if (round % 2 == 0) {
          EXPECT_TRUE(watch->Read(&build));
        }
        context->TryCancel();
        EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::CANCELLED);
      }
    });
  }
  // Meanwhile the build changes.
  for (int i = 0; i < 20; ++i) {
    ScriptedAgent agent(channel_, absl::StrCat("x", i));
    agent.Connect();
  }
  for (std::thread& client : clients) client.join();
  v1::Build build;
  EXPECT_TRUE(Cancel(id, &build).ok());
}

TEST_F(BuildServiceTest, CancelIsDurableWhenItReturnsAndHoldsOnce) {
  const std::string id = SubmitOneStep();
  v1::Build build;
  ASSERT_TRUE(Cancel(id, &build).ok());
  EXPECT_EQ(build.reason(), "enough");
  ASSERT_TRUE(
      Eventually(kPatience, [&] { return Get(id).status() == v1::BUILD_STATUS_CANCELLED; }));
  StartController();
  EXPECT_EQ(Get(id).status(), v1::BUILD_STATUS_CANCELLED);
  const int64_t revision = Get(id).revision();
  ASSERT_TRUE(Cancel(id, &build).ok());
  EXPECT_EQ(build.status(), v1::BUILD_STATUS_CANCELLED);
  EXPECT_EQ(build.revision(), revision) << "what has ended doesn't change";
}

TEST_F(BuildServiceTest, CancelReachesTheAgent) {
  ScriptedAgent agent(channel_, "x");
  agent.Connect();
  const std::string id = SubmitOneStep();
  const v1::AttemptKey key = agent.RunNext();
  v1::Build build;
  ASSERT_TRUE(Cancel(id, &build).ok());
  EXPECT_EQ(build.status(), v1::BUILD_STATUS_CANCELLING);
  const v1::ControllerMessage message = agent.Next();
  ASSERT_TRUE(message.has_cancel()) << message.DebugString();
  EXPECT_EQ(message.cancel().key().build_id(), id);
  EXPECT_EQ(message.cancel().grace().seconds(), 10);
}

TEST_F(BuildServiceTest, AgentsAreListedAndDrained) {
  {
    ScriptedAgent agent(channel_, "x");
    agent.Connect();
    v1::Agent listed = GetAgent("x");
    EXPECT_TRUE(listed.connected());
    EXPECT_EQ(listed.slots(), 1);
    EXPECT_EQ(listed.version(), "test");
    EXPECT_LT(absl::ToUnixSeconds(absl::Now()) - listed.last_seen().seconds(), 60);

    v1::DrainAgentRequest request;
    request.set_name("x");
    request.set_drain(true);
    v1::Agent drained;
    ASSERT_TRUE(builds_->DrainAgent(Context().get(), request, &drained).ok());
    EXPECT_TRUE(drained.draining());
    const std::string id = SubmitOneStep();
    EXPECT_EQ(Get(id).steps(0).status(), v1::STEP_STATUS_READY) << "nothing new for it";
    request.set_drain(false);
    ASSERT_TRUE(builds_->DrainAgent(Context().get(), request, &drained).ok());
    EXPECT_FALSE(drained.draining());
    EXPECT_TRUE(agent.Next().has_prepare());
  }
  EXPECT_TRUE(Eventually(kPatience, [&] { return !GetAgent("x").connected(); }));

  v1::DrainAgentRequest request;
  request.set_name("nobody");
  v1::Agent agent;
  EXPECT_EQ(builds_->DrainAgent(Context().get(), request, &agent).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace rally::controller
