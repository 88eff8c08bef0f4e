#include "controller/wire/build_wire.h"

#include <string>
#include <utility>
#include <vector>

#include "controller/wire/value_wire.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::wire {
namespace {

using ::testing::ElementsAre;

const absl::Time kTime = absl::FromUnixSeconds(1000);
const core::Digest kTree{std::string(64, 'a'), 77};
const core::Digest kOther{std::string(64, 'b'), 78};

core::Build TwoSteps() {
  core::Build build;
  build.id = "b1";
  build.pipeline_name = "rally.toml";
  build.context = kTree;
  build.submitted_at = kTime;
  build.total_timeout = absl::Hours(1);
  build.revision = 5;
  build.steps.resize(2);
  build.steps[0].definition.spec.id = "first";
  build.steps[1].definition.spec.id = "second";
  build.steps[1].definition.dependencies = {0};
  return build;
}

TEST(BuildWireTest, ABuildThatRuns) {
  const v1::Build proto = ToProto(TwoSteps());
  EXPECT_EQ(proto.id(), "b1");
  EXPECT_EQ(proto.status(), v1::BUILD_STATUS_RUNNING);
  EXPECT_EQ(proto.submitted_at().seconds(), 1000);
  EXPECT_FALSE(proto.has_ended_at());
  EXPECT_EQ(proto.context().hash(), kTree.hash);
  EXPECT_FALSE(proto.has_workspace());
  EXPECT_EQ(proto.total_timeout().seconds(), 3600);
  EXPECT_EQ(proto.revision(), 5);
  EXPECT_EQ(proto.pipeline_name(), "rally.toml");
  ASSERT_EQ(proto.steps_size(), 2);
  EXPECT_THAT(proto.steps(1).depends_on(), ElementsAre("first")) << "by name";
  EXPECT_FALSE(proto.steps(0).has_exit_code());
  EXPECT_FALSE(proto.steps(0).has_started_at());
  EXPECT_FALSE(proto.steps(0).has_input());
}

TEST(BuildWireTest, AStepThatEnded) {
  core::Build build = TwoSteps();
  core::Step& step = build.steps[0];
  step.status = core::StepStatus::kFailed;
  step.exit_code = 0;
  step.message = "why";
  step.attempt = 2;
  step.agent = "host-1";
  step.input = kTree;
  step.output = kOther;
  step.log_end = 99;
  step.definition.spec.image = "gcc:12";
  step.definition.timeout = absl::Minutes(2);
  step.image_digest = "sha256:1";
  step.oom_killed = true;
  step.warnings = {"w"};
  step.started_at = kTime + absl::Seconds(1);
  step.ended_at = kTime + absl::Seconds(2);
  step.phases = {absl::Seconds(1), absl::Seconds(2), absl::Seconds(3),
                 absl::Seconds(4), absl::Seconds(5), absl::Seconds(6)};
  const v1::Step proto = ToProto(build).steps(0);
  EXPECT_EQ(proto.status(), v1::STEP_STATUS_FAILED);
  EXPECT_TRUE(proto.has_exit_code()) << "0 is an exit code";
  EXPECT_EQ(proto.exit_code(), 0);
  EXPECT_EQ(proto.message(), "why");
  EXPECT_EQ(proto.attempt(), 2);
  EXPECT_EQ(proto.agent(), "host-1");
  EXPECT_EQ(proto.input().hash(), kTree.hash);
  EXPECT_EQ(proto.output().hash(), kOther.hash);
  EXPECT_EQ(proto.output().size_bytes(), 78);
  EXPECT_EQ(proto.log_bytes(), 99);
  EXPECT_EQ(proto.image(), "gcc:12");
  EXPECT_EQ(proto.image_digest(), "sha256:1");
  EXPECT_TRUE(proto.oom_killed());
  EXPECT_THAT(proto.warnings(), ElementsAre("w"));
  EXPECT_EQ(proto.timeout().seconds(), 120);
  EXPECT_EQ(proto.started_at().seconds(), 1001);
  EXPECT_EQ(proto.ended_at().seconds(), 1002);
  EXPECT_EQ(proto.phases().queued().seconds(), 1);
  EXPECT_EQ(proto.phases().pulling().seconds(), 2);
  EXPECT_EQ(proto.phases().creating().seconds(), 3);
  EXPECT_EQ(proto.phases().restoring().seconds(), 4);
  EXPECT_EQ(proto.phases().running().seconds(), 5);
  EXPECT_EQ(proto.phases().capturing().seconds(), 6);
}

TEST(BuildWireTest, AStepThatChangedNothingHasItsInputAsOutput) {
  core::Build build = TwoSteps();
  build.steps[0].input = kTree;
  EXPECT_FALSE(ToProto(build).steps(0).has_output()) << "it hasn't ended";
  build.steps[0].status = core::StepStatus::kSucceeded;
  EXPECT_EQ(ToProto(build).steps(0).output().hash(), kTree.hash);
}

TEST(BuildWireTest, EveryStatusHasItsOwnWord) {
  core::Build build = TwoSteps();
  std::vector<int> steps;
  for (int i = 0; i <= static_cast<int>(core::StepStatus::kCancelled); ++i) {
    build.steps[0].status = static_cast<core::StepStatus>(i);
    steps.push_back(ToProto(build).steps(0).status());
  }
  EXPECT_THAT(steps, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  std::vector<int> builds;
  for (int i = 0; i <= static_cast<int>(core::BuildStatus::kCancelled); ++i) {
    build.status = static_cast<core::BuildStatus>(i);
    builds.push_back(ToProto(build).status());
  }
  EXPECT_THAT(builds, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(BuildWireTest, TheStateOfAnAgentIsTheWorstThatIsTrue) {
  core::Agent agent;
  agent.name = "host-1";
  agent.slots = 4;
  agent.busy_slots = 1;
  auto state = [&] { return ToProto(agent, kTime).state(); };
  EXPECT_EQ(state(), "disconnected");
  agent.session = 1;
  EXPECT_EQ(state(), "connected");
  agent.accepts_work = false;
  EXPECT_EQ(state(), "full");
  agent.draining = true;
  EXPECT_EQ(state(), "draining");
  agent.liveness = core::Liveness::kSuspect;
  EXPECT_EQ(state(), "suspect");
  agent.liveness = core::Liveness::kLost;
  EXPECT_EQ(state(), "lost");
  const v1::Agent proto = ToProto(agent, kTime);
  EXPECT_EQ(proto.slots(), 4);
  EXPECT_EQ(proto.busy_slots(), 1);
  EXPECT_TRUE(proto.draining());
  EXPECT_EQ(proto.last_seen().seconds(), 1000);
  EXPECT_FALSE(ToProto(agent, absl::InfinitePast()).has_last_seen());
}

TEST(BuildWireTest, CommandsCarryTheEpoch) {
  const core::AttemptKey key{"b1", 3, 2};
  core::SendPrepare prepare{"x", key, {}, "sha256:1", {}};
  prepare.spec.id = "compile";
  prepare.spec.envs = {{"A", "1"}};
  v1::ControllerMessage message = ToProto(prepare, 9);
  EXPECT_EQ(message.prepare().epoch(), 9);
  EXPECT_EQ(message.prepare().key().step(), 3);
  EXPECT_EQ(message.prepare().spec().step_id(), "compile");
  EXPECT_EQ(message.prepare().spec().image_digest(), "sha256:1");
  EXPECT_EQ(message.prepare().spec().envs(0).value(), "1");
  EXPECT_FALSE(message.prepare().has_input()) << "not known yet";

  message = ToProto(core::SendStartGrant{"x", key, kTree, absl::Seconds(30)}, 9);
  EXPECT_EQ(message.start_grant().epoch(), 9);
  EXPECT_EQ(message.start_grant().key().attempt(), 2);
  EXPECT_EQ(message.start_grant().input().hash(), kTree.hash);
  EXPECT_EQ(message.start_grant().timeout_left().seconds(), 30);

  message = ToProto(core::SendCancel{"x", key, true}, 9, absl::Seconds(10));
  EXPECT_EQ(message.cancel().epoch(), 9);
  EXPECT_EQ(message.cancel().grace().seconds(), 10);
  EXPECT_TRUE(message.cancel().discard());

  EXPECT_EQ(ToProto(core::SendResultAck{"x", key}).result_ack().key().build_id(), "b1");
}

TEST(BuildWireTest, ARequestForLostBlobsNamesThem) {
  const v1::ControllerMessage message =
      ToProto(core::SendUploadBlobs{"x", {"b1", 3, 2}, {kTree}}, 9);
  EXPECT_EQ(message.upload_blobs().epoch(), 9);
  EXPECT_EQ(message.upload_blobs().key().step(), 3);
  ASSERT_EQ(message.upload_blobs().digests_size(), 1);
  EXPECT_EQ(message.upload_blobs().digests(0).hash(), kTree.hash);
}

TEST(BuildWireTest, AStepThatRunsAgainIsShownAsItHadEnded) {
  core::Build build = TwoSteps();
  core::Step& step = build.steps[0];
  step.ended_before = core::EarlierEnd();
  step.ended_before->status = core::StepStatus::kSucceeded;
  step.ended_before->input = kTree;
  step.ended_before->output = {"new", 1};
  step.status = core::StepStatus::kReady;
  step.message = "waits for a free slot";
  step.exit_code = 0;
  step.input = {};
  step.output = {};
  const v1::Step shown = ToProto(build).steps(0);
  EXPECT_EQ(shown.status(), v1::STEP_STATUS_SUCCEEDED);
  EXPECT_EQ(shown.message(), "runs again for what it made, waits for a free slot");
  EXPECT_EQ(shown.input().hash(), kTree.hash);
  EXPECT_EQ(shown.output().hash(), "new");
}

TEST(BuildWireTest, AnExclusiveStepsGrantCarriesItsLease) {
  core::SendStartGrant grant{"x", {"b1", 3, 2}, kTree, absl::Seconds(30), {}};
  EXPECT_FALSE(ToProto(grant, 9).start_grant().has_exclusive_lease());
  grant.exclusive_lease = absl::Minutes(2);
  EXPECT_EQ(ToProto(grant, 9).start_grant().exclusive_lease().seconds(), 120);
}

TEST(BuildWireTest, HandlersAreNamed) {
  core::Build build = TwoSteps();
  build.steps[0].handled_by = {1};
  EXPECT_THAT(ToProto(build).steps(0).handled_by(), ElementsAre("second"));
  EXPECT_EQ(ToProto(build).steps(1).handled_by_size(), 0);
}

TEST(BuildWireTest, AStepRunsTheCommandThatItsVerbGave) {
  pipeline::Step step;
  step.id = "compile";
  step.image = "gcc";
  step.args = {"verb"};
  step.command = {"docker.io/library/gcc:latest", "/bin/sh", {"a"}};
  step.envs = {{"A", "1"}};
  step.work_dir = "/w";
  step.dependencies = {1, 2};
  step.timeout = absl::Seconds(5);
  step.exited_with = {3, 4};
  step.rerun = pipeline::Rerun::kExclusive;
  core::StepDefinition definition = FromPipeline(step);
  EXPECT_EQ(definition.spec.image, "docker.io/library/gcc:latest");
  EXPECT_THAT(definition.spec.args, ElementsAre("a"));
  EXPECT_EQ(definition.spec.entry_point, "/bin/sh");
  EXPECT_EQ(definition.spec.work_dir, "/w");
  EXPECT_THAT(definition.dependencies, ElementsAre(1, 2));
  EXPECT_EQ(definition.timeout, absl::Seconds(5));
  EXPECT_THAT(definition.exited_with, ElementsAre(3, 4));
  EXPECT_THAT(definition.exited_without, ElementsAre());
  EXPECT_EQ(definition.rerun, core::Rerun::kExclusive);
  step.rerun = pipeline::Rerun::kNever;
  EXPECT_EQ(FromPipeline(step).rerun, core::Rerun::kNever);
  step.rerun = pipeline::Rerun::kSafe;
  EXPECT_EQ(FromPipeline(step).rerun, core::Rerun::kSafe);
}

}  // namespace
}  // namespace rally::wire
