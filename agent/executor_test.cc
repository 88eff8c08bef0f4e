#include "agent/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "agent/executor_rig_for_test.h"
#include "tests/support/eventually.h"

namespace rally::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kName[] = "b1-0-1";
constexpr absl::Duration kPatience = absl::Seconds(10);

TEST(ExecutorTest, TheStraightWay) {
  ExecutorRig rig;
  runtime::FakeScript script;
  script.stdout_text = "hello\n";
  script.exit_code = 3;
  rig.host().SetScript(kName, script);

  rig.executor().OnPrepare(rig.Prepare(0));
  const v1::Prepared prepared = rig.Await(v1::AgentMessage::kPrepared).prepared();
  EXPECT_EQ(prepared.image_digest(), "sha256:0123");
  EXPECT_EQ(rig.host().CallCount("Create"), 1);
  EXPECT_EQ(rig.host().CallCount("Start"), 0);
  EXPECT_EQ(rig.workspaces().Mounted(kName), "");
  EXPECT_EQ(rig.executor().FreeSlots(), 2) << "what waits for its grant holds no slot";

  rig.executor().OnStartGrant(rig.Grant(0));
  rig.Await(v1::AgentMessage::kStarted);
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_EXITED);
  EXPECT_EQ(result.exit_code(), 3);
  EXPECT_EQ(result.output().hash(), blob::DigestOf(kName).hash);
  EXPECT_EQ(result.log_end(), 6);
  EXPECT_FALSE(result.never_started());
  EXPECT_EQ(rig.logs().Text(kName), "hello\n");

  // The container goes at once; result and log stay until both are acknowledged.
  EXPECT_TRUE(testing::Eventually(kPatience, [&] { return !rig.host().Exists(kName); }));
  rig.executor().OnResultAck(rig.Key(0));
  EXPECT_THAT(rig.executor().Summaries(), SizeIs(1));
  rig.executor().OnLogDurable(rig.Key(0));
  EXPECT_TRUE(rig.AwaitGone(0));
  EXPECT_TRUE(rig.AwaitIdle());
}

TEST(ExecutorTest, TheWorkspaceBelongsToTheUserOfTheImage) {
  ExecutorRig rig;
  rig.Run(0);
  EXPECT_EQ(rig.workspaces().Mounted(kName), "aaaa:7:8");
}

TEST(ExecutorTest, AGrantMayComeWhileStillPreparing) {
  ExecutorRig rig;
  rig.host().Hold("EnsureImage");
  rig.executor().OnPrepare(rig.Prepare(0));
  rig.executor().OnStartGrant(rig.Grant(0));
  EXPECT_EQ(rig.executor().FreeSlots(), 1);
  rig.host().Release("EnsureImage");
  rig.Await(v1::AgentMessage::kStarted);
  EXPECT_EQ(rig.host().CallCount("Start"), 1);
}

TEST(ExecutorTest, OrdersMayBeRepeated) {
  ExecutorRig rig;
  rig.executor().OnPrepare(rig.Prepare(0));
  rig.Await(v1::AgentMessage::kPrepared);
  rig.executor().OnPrepare(rig.Prepare(0));
  EXPECT_EQ(rig.Await(v1::AgentMessage::kPrepared).prepared().image_digest(), "sha256:0123");
  rig.executor().OnStartGrant(rig.Grant(0));
  rig.Await(v1::AgentMessage::kStarted);
  rig.executor().OnStartGrant(rig.Grant(0));
  rig.Await(v1::AgentMessage::kStarted);
  rig.host().End(kName, 0);
  rig.Await(v1::AgentMessage::kResult);
  rig.executor().OnStartGrant(rig.Grant(0));
  EXPECT_EQ(rig.Await(v1::AgentMessage::kResult).result().exit_code(), 0);
  EXPECT_EQ(rig.host().CallCount("Create"), 1);
  EXPECT_EQ(rig.host().CallCount("Start"), 1);
}

TEST(ExecutorTest, ATimeoutTermsThenKills) {
  ExecutorRig rig;
  runtime::FakeScript stubborn;
  stubborn.runs_until_ended = true;
  stubborn.exit_on_signal = {{SIGKILL, 137}};
  rig.host().SetScript(kName, stubborn);
  rig.Run(0, absl::Milliseconds(50));
  // A signal that the script doesn't list ends it; so the code says which of the two it was.
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_TIMED_OUT);
  EXPECT_EQ(result.output().hash(), blob::DigestOf(kName).hash) << "its files are kept";
  EXPECT_EQ(rig.host().SignalsTo(kName).front(), SIGTERM);
}

TEST(ExecutorTest, ATimeoutWhilePreparingEndsThePull) {
  ExecutorRig rig;
  rig.host().Hold("EnsureImage");
  rig.executor().OnPrepare(rig.Prepare(0));
  rig.executor().OnStartGrant(rig.Grant(0, absl::Milliseconds(30)));
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_TIMED_OUT);
  EXPECT_TRUE(result.never_started());
  EXPECT_THAT(result.message(), HasSubstr("pulling image"));
  EXPECT_EQ(rig.host().CallCount("Start"), 0);
  rig.executor().OnResultAck(rig.Key(0));
  EXPECT_TRUE(rig.AwaitGone(0)) << "there is no log to wait for";
}

TEST(ExecutorTest, CancellingWhatRunsSaysSoAndCapturesNothing) {
  ExecutorRig rig;
  rig.Run(0);
  rig.executor().OnCancel(rig.Cancel(0, /*discard=*/false));
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_CANCELLED);
  EXPECT_FALSE(result.never_started());
  EXPECT_FALSE(result.has_output());
  EXPECT_EQ(rig.workspaces().CallCount("Capture"), 0);
  rig.Acknowledge(0);
}

TEST(ExecutorTest, AStepWhoseInitCannotStartItIsErrored) {
  ExecutorRig rig;
  runtime::FakeScript script;
  script.exit_code = 125;
  script.start_failure = "20 cannot enter the working directory /workspace/x: Not a directory";
  script.stderr_text = "rally: it cannot\n";
  rig.host().SetScript(kName, script);
  rig.Run(0);
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_ERRORED);
  EXPECT_EQ(result.message(),
            "starting the step's process: cannot enter the working directory /workspace/x: Not a "
            "directory");
  EXPECT_TRUE(result.never_started());
  EXPECT_FALSE(result.may_retry());
  EXPECT_FALSE(result.has_output());
  EXPECT_EQ(result.log_end(), 17) << "what the init said is in the log";
  EXPECT_EQ(rig.workspaces().CallCount("Capture"), 0);
  // And its log isn't taken for durable by the next process.
  rig.Restart();
  rig.executor().OnResultAck(rig.Key(0));
  EXPECT_THAT(rig.executor().Summaries(), SizeIs(1));
  rig.executor().OnLogDurable(rig.Key(0));
  EXPECT_TRUE(rig.AwaitGone(0));
}

TEST(ExecutorTest, AStepThatEndsWith125ByItselfHasFailed) {
  ExecutorRig rig;
  runtime::FakeScript script;
  script.exit_code = 125;
  rig.host().SetScript(kName, script);
  rig.Run(0);
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_EXITED);
  EXPECT_EQ(result.exit_code(), 125);
  EXPECT_FALSE(result.never_started());
}

TEST(ExecutorTest, CancellingWhatWaitsNeverStartsIt) {
  ExecutorRig rig;
  rig.executor().OnPrepare(rig.Prepare(0));
  rig.Await(v1::AgentMessage::kPrepared);
  rig.executor().OnCancel(rig.Cancel(0, /*discard=*/false));
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_CANCELLED);
  EXPECT_TRUE(result.never_started());
  rig.executor().OnStartGrant(rig.Grant(0));
  rig.Await(v1::AgentMessage::kResult);
  EXPECT_EQ(rig.host().CallCount("Start"), 0);
}

TEST(ExecutorTest, DiscardingLeavesNothingAndSaysNothing) {
  ExecutorRig rig;
  rig.Run(0);
  rig.executor().OnPrepare(rig.Prepare(1));
  rig.Await(v1::AgentMessage::kPrepared);
  rig.executor().OnCancel(rig.Cancel(0, /*discard=*/true));
  rig.executor().OnCancel(rig.Cancel(1, /*discard=*/true));
  EXPECT_TRUE(rig.AwaitGone(0));
  EXPECT_TRUE(rig.AwaitGone(1));
  EXPECT_TRUE(rig.AwaitIdle());
  rig.Restart();
  EXPECT_THAT(rig.journal().found_attempts(), IsEmpty());
}

TEST(ExecutorTest, DiscardingAResultThatWaitsForItsAcknowledgement) {
  ExecutorRig rig;
  rig.Run(0);
  rig.host().End(kName, 0);
  rig.Await(v1::AgentMessage::kResult);
  rig.executor().OnCancel(rig.Cancel(0, /*discard=*/true));
  EXPECT_TRUE(rig.AwaitGone(0));
}

struct Rejection {
  absl::Status status;
  v1::RejectCause cause;
};

TEST(ExecutorTest, FailuresOfPreparingSayWhoseTheyAre) {
  const Rejection rows[] = {
      {absl::NotFoundError("no such image"), v1::REJECT_CAUSE_PERMANENT},
      {absl::DataLossError("digest mismatch"), v1::REJECT_CAUSE_PERMANENT},
      {absl::PermissionDeniedError("log in"), v1::REJECT_CAUSE_PERMANENT},
      {absl::FailedPreconditionError("windows"), v1::REJECT_CAUSE_PERMANENT},
      {absl::ResourceExhaustedError("disk full"), v1::REJECT_CAUSE_HERE},
      {absl::InternalError("runc"), v1::REJECT_CAUSE_HERE},
  };
  ExecutorRig rig;
  int step = 0;
  for (const Rejection& row : rows) {
    rig.host().FailNext("EnsureImage", row.status);
    rig.executor().OnPrepare(rig.Prepare(step));
    const v1::Rejected rejected = rig.Await(v1::AgentMessage::kRejected).rejected();
    EXPECT_EQ(rejected.cause(), row.cause) << row.status;
    EXPECT_THAT(rejected.message(), HasSubstr("pulling image docker.io/library/busybox"));
    EXPECT_THAT(rejected.message(), HasSubstr(std::string(row.status.message())));
    EXPECT_TRUE(rig.AwaitGone(step));
    ++step;
  }
}

TEST(ExecutorTest, ARegistryThatHiccupsIsAskedAgain) {
  ExecutorRig rig;
  rig.host().FailNext("EnsureImage", absl::UnavailableError("connection refused"), 3);
  rig.executor().OnPrepare(rig.Prepare(0));
  rig.Await(v1::AgentMessage::kPrepared);
  EXPECT_EQ(rig.host().CallCount("EnsureImage"), 4);

  rig.host().FailNext("EnsureImage", absl::UnavailableError("connection refused"), 100);
  rig.executor().OnPrepare(rig.Prepare(1));
  EXPECT_EQ(rig.Await(v1::AgentMessage::kRejected).rejected().cause(), v1::REJECT_CAUSE_HERE);
}

TEST(ExecutorTest, SaysWhatItDoesBeforeTheProcessRuns) {
  ExecutorRig rig;
  rig.limits().first_retry_pause = rig.limits().longest_retry_pause = absl::Hours(1);
  rig.Restart();
  rig.host().FailNext("EnsureImage", absl::UnavailableError("connection refused"), 1);
  rig.executor().OnPrepare(rig.Prepare(0));
  std::vector<v1::AttemptActivity> activities;
  ASSERT_TRUE(testing::Eventually(kPatience, [&] {
    activities = rig.executor().Activities();
    return activities.size() == 1 &&
           activities[0].doing() != "pulling image docker.io/library/busybox:latest";
  }));
  EXPECT_EQ(activities[0].key().step(), 0);
  EXPECT_EQ(activities[0].doing(),
            "pulling image docker.io/library/busybox:latest, try 2 of 5; the last failed: "
            "connection refused");

  rig.executor().OnPrepare(rig.Prepare(1));
  rig.Await(v1::AgentMessage::kPrepared);
  EXPECT_THAT(rig.executor().Activities(), SizeIs(1)) << "nothing to say of the second";
}

TEST(ExecutorTest, AnImageThatIsNoReferenceIsTheUsersMistake) {
  ExecutorRig rig;
  v1::Prepare prepare = rig.Prepare(0);
  prepare.mutable_spec()->set_image("UPPER case");
  rig.executor().OnPrepare(prepare);
  EXPECT_EQ(rig.Await(v1::AgentMessage::kRejected).rejected().cause(), v1::REJECT_CAUSE_PERMANENT);
}

TEST(ExecutorTest, AHostThatCannotMountDoesNotBlameTheStep) {
  ExecutorRig rig;
  rig.workspaces().FailNext("CreateMountPoint", absl::FailedPreconditionError("old kernel"));
  rig.executor().OnPrepare(rig.Prepare(0));
  EXPECT_EQ(rig.Await(v1::AgentMessage::kRejected).rejected().cause(), v1::REJECT_CAUSE_HERE);

  rig.workspaces().FailNext("Mount", absl::FailedPreconditionError("old kernel"));
  rig.executor().OnPrepare(rig.Prepare(1));
  rig.executor().OnStartGrant(rig.Grant(1));
  EXPECT_TRUE(rig.Await(v1::AgentMessage::kResult).result().may_retry());

  rig.workspaces().FailNext("Mount", absl::InvalidArgumentError("a tree with two same names"));
  rig.executor().OnPrepare(rig.Prepare(2));
  rig.executor().OnStartGrant(rig.Grant(2));
  EXPECT_FALSE(rig.Await(v1::AgentMessage::kResult).result().may_retry());
}

TEST(ExecutorTest, AnImageInTheWorkspaceIsImportedAtTheGrant) {
  ExecutorRig rig;
  runtime::Image image;
  image.digest = "sha256:4567";
  image.account.uid = 1000;
  image.account.gid = 1000;
  rig.host().AddImage("oci:images/tool", image);
  v1::Prepare prepare = rig.Prepare(0);
  prepare.mutable_spec()->set_image("oci:images/tool");
  rig.executor().OnPrepare(prepare);
  EXPECT_EQ(rig.Await(v1::AgentMessage::kPrepared).prepared().image_digest(), "");
  EXPECT_EQ(rig.host().CallCount("Create"), 0);
  rig.Restart();  // There is no container to miss.
  rig.executor().OnStartGrant(rig.Grant(0));
  rig.Await(v1::AgentMessage::kStarted);
  EXPECT_EQ(rig.host().CallCount("ImportImage"), 1);
  EXPECT_EQ(rig.host().SpecOf(kName)->image.digest, "sha256:4567");
  EXPECT_EQ(rig.workspaces().Mounted(kName), "aaaa:1000:1000") << "it belongs to the image's user";
}

TEST(ExecutorTest, AnImageThatIsNotInTheWorkspaceIsTheUsersMistake) {
  ExecutorRig rig;
  v1::Prepare prepare = rig.Prepare(0);
  prepare.mutable_spec()->set_image("oci:nowhere");
  rig.executor().OnPrepare(prepare);
  rig.executor().OnStartGrant(rig.Grant(0));
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_ERRORED);
  EXPECT_TRUE(result.never_started());
  EXPECT_FALSE(result.may_retry());
  EXPECT_THAT(result.message(), HasSubstr("importing image oci:nowhere"));
}

TEST(ExecutorTest, KeysThatArePathsAreRefused) {
  ExecutorRig rig;
  v1::Prepare prepare = rig.Prepare(0);
  prepare.mutable_key()->set_build_id("../../etc");
  rig.executor().OnPrepare(prepare);
  EXPECT_EQ(rig.Await(v1::AgentMessage::kRejected).rejected().cause(), v1::REJECT_CAUSE_PERMANENT);
  EXPECT_TRUE(rig.executor().HoldsNothing());
}

TEST(ExecutorTest, MoreThanTwiceTheSlotsIsBusy) {
  ExecutorRig rig(/*slots=*/1);
  for (int step = 0; step < 2; ++step) {
    rig.executor().OnPrepare(rig.Prepare(step));
    rig.Await(v1::AgentMessage::kPrepared);
  }
  rig.executor().OnPrepare(rig.Prepare(2));
  EXPECT_EQ(rig.Await(v1::AgentMessage::kRejected).rejected().cause(), v1::REJECT_CAUSE_BUSY);
  rig.executor().OnCancel(rig.Cancel(0, /*discard=*/true));
  EXPECT_TRUE(rig.AwaitGone(0));
  rig.executor().OnPrepare(rig.Prepare(3));
  rig.Await(v1::AgentMessage::kPrepared);
}

TEST(ExecutorTest, AFailureAfterTheGrantProvesThatNothingRan) {
  ExecutorRig rig;
  rig.workspaces().FailNext("Mount", absl::NotFoundError("blob abc/1 is nowhere"));
  rig.executor().OnPrepare(rig.Prepare(0));
  rig.executor().OnStartGrant(rig.Grant(0));
  const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(result.kind(), v1::END_KIND_ERRORED);
  EXPECT_TRUE(result.never_started());
  EXPECT_TRUE(result.may_retry());
  EXPECT_THAT(result.message(), HasSubstr("blob abc/1 is nowhere"));
}

TEST(ExecutorTest, AnInputThatIsLostIsReportedWithItsBlobs) {
  for (const absl::Status& status : {absl::NotFoundError("gone"), absl::DataLossError("rotten")}) {
    ExecutorRig rig;
    const blob::Digest lost = blob::DigestOf("lost");
    rig.workspaces().Lose({lost});
    rig.workspaces().FailNext("Mount", status);
    rig.executor().OnPrepare(rig.Prepare(0));
    rig.executor().OnStartGrant(rig.Grant(0));
    const v1::Result result = rig.Await(v1::AgentMessage::kResult).result();
    EXPECT_EQ(result.kind(), v1::END_KIND_ERRORED);
    EXPECT_TRUE(result.never_started());
    ASSERT_EQ(result.missing_size(), 1);
    EXPECT_EQ(result.missing(0).hash(), lost.hash);
    EXPECT_EQ(result.missing(0).size_bytes(), lost.size_bytes);
  }
}

TEST(ExecutorTest, AnotherFailureToMountHasNothingToDoWithLostBlobs) {
  ExecutorRig rig;
  rig.workspaces().Lose({blob::DigestOf("lost")});
  rig.workspaces().FailNext("Mount", absl::InternalError("no overlay"));
  rig.executor().OnPrepare(rig.Prepare(0));
  rig.executor().OnStartGrant(rig.Grant(0));
  EXPECT_EQ(rig.Await(v1::AgentMessage::kResult).result().missing_size(), 0);
  EXPECT_EQ(rig.workspaces().CallCount("FindLost"), 0);
}

TEST(ExecutorTest, MemoryKillsAndLostShimsAreTold) {
  ExecutorRig rig;
  rig.Run(0);
  rig.host().End(kName, 137, /*oom_killed=*/true);
  EXPECT_TRUE(rig.Await(v1::AgentMessage::kResult).result().oom_killed());

  rig.Run(1);
  rig.host().LoseTask("b1-1-1");
  const v1::Result lost = rig.Await(v1::AgentMessage::kResult).result();
  EXPECT_EQ(lost.kind(), v1::END_KIND_ERRORED);
  EXPECT_TRUE(lost.may_retry());
  EXPECT_FALSE(lost.never_started());
  EXPECT_THAT(lost.message(), HasSubstr("disappeared"));
}

TEST(ExecutorTest, ContainerdMayGoAwayWhileAStepRuns) {
  ExecutorRig rig;
  rig.host().FailNext("Wait", absl::UnavailableError("socket closed"), 3);
  rig.Run(0);
  rig.host().End(kName, 4);
  EXPECT_EQ(rig.Await(v1::AgentMessage::kResult).result().exit_code(), 4);
}

TEST(ExecutorTest, WhatTheAgentDoesNotHoldIsRefused) {
  ExecutorRig rig;
  rig.executor().OnStartGrant(rig.Grant(9));
  EXPECT_EQ(rig.Await(v1::AgentMessage::kRejected).rejected().cause(), v1::REJECT_CAUSE_HERE);
  rig.executor().OnCancel(rig.Cancel(9, /*discard=*/false));
  EXPECT_EQ(rig.Await(v1::AgentMessage::kRejected).rejected().key().step(), 9);
  rig.executor().OnResultAck(rig.Key(9));
  rig.executor().OnLogDurable(rig.Key(9));
  EXPECT_TRUE(rig.executor().HoldsNothing());
}

// The rejection may get lost with a session; then the controller sends the same attempt again.
TEST(ExecutorTest, WhatWasRejectedCanBeSentAgain) {
  ExecutorRig rig;
  rig.host().Hold("Delete");
  rig.host().FailNext("EnsureImage", absl::InternalError("runc"), 1);
  rig.executor().OnPrepare(rig.Prepare(0));
  rig.Await(v1::AgentMessage::kRejected);
  ASSERT_TRUE(testing::Eventually(kPatience, [&] { return rig.host().CallCount("Delete") == 1; }));
  rig.executor().OnPrepare(rig.Prepare(0));
  rig.host().Release("Delete");
  rig.Await(v1::AgentMessage::kPrepared);
  EXPECT_TRUE(rig.host().Exists(kName));
}

TEST(ExecutorTest, CleaningUpIsRepeatedUntilItSucceeds) {
  ExecutorRig rig;
  rig.host().FailNext("Delete", absl::UnavailableError("containerd is away"), 1);
  rig.Run(0);
  rig.executor().OnCancel(rig.Cancel(0, /*discard=*/true));
  EXPECT_TRUE(rig.AwaitGone(0));
}

}  // namespace
}  // namespace rally::agent
