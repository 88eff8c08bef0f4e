#include "controller/wire/event_wire.h"

#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "controller/wire/value_wire.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace rally::wire {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

const absl::Time kTime = absl::FromUnixNanos(1234567890123456789);
const core::Digest kTree{std::string(64, 'a'), 77};
const core::AttemptKey kKey{"b1", 7, 3};

// Through the bytes that lie on the disk.
template <typename Event>
Event RoundTrip(const Event& event) {
  const std::string bytes = ToProto(core::Event(event), kTime).SerializeAsString();
  v1::JournalEvent read;
  EXPECT_TRUE(read.ParseFromString(bytes));
  auto timed = FromProto(read);
  EXPECT_TRUE(timed.ok()) << timed.status();
  EXPECT_EQ(timed->time, kTime);
  // Compared as messages: the bytes of a map's entries have no order.
  EXPECT_TRUE(
      google::protobuf::util::MessageDifferencer::Equals(ToProto(timed->event, timed->time), read));
  const Event* same = std::get_if<Event>(&timed->event);
  EXPECT_NE(same, nullptr) << "it came back as another kind";
  return same == nullptr ? Event() : *same;
}

TEST(EventWireTest, ControllerStarted) {
  EXPECT_EQ(RoundTrip(core::ControllerStarted{41}).epoch, 41);
}

TEST(EventWireTest, BuildSubmitted) {
  core::BuildSubmitted event;
  event.build_id = "b1";
  event.idempotency_key = "key";
  event.content_hash = "hash";
  event.pipeline_name = "rally.toml";
  event.context = kTree;
  event.total_timeout = absl::Hours(6) + absl::Nanoseconds(1);
  event.warnings = {"first", "second"};
  event.labels = {{"pool", "big"}, {"empty", ""}};
  core::StepDefinition first;
  first.spec.id = "compile";
  first.spec.image = "docker.io/library/gcc:12";
  first.spec.args = {"-c", "", "make all"};
  first.spec.entry_point = "/bin/sh";
  first.spec.envs = {{"B", "2"}, {"A", ""}, {"B", "3"}};
  first.spec.work_dir = "/workspace/x";
  first.timeout = absl::Minutes(3);
  core::StepDefinition second;
  second.spec.id = "test";
  second.dependencies = {0, 4, 9};
  second.exited_with = {0, 3, 255};
  second.exited_without = {124};
  second.rerun = core::Rerun::kExclusive;
  core::StepDefinition third;
  third.rerun = core::Rerun::kNever;
  event.steps = {first, second, third};
  event.fail_on_conflict = true;
  event.fail_fast = true;

  const core::BuildSubmitted read = RoundTrip(event);
  EXPECT_EQ(read.build_id, "b1");
  EXPECT_EQ(read.idempotency_key, "key");
  EXPECT_EQ(read.content_hash, "hash");
  EXPECT_EQ(read.pipeline_name, "rally.toml");
  EXPECT_EQ(read.context, kTree);
  EXPECT_EQ(read.total_timeout, event.total_timeout);
  EXPECT_THAT(read.warnings, ElementsAre("first", "second"));
  EXPECT_THAT(read.labels, UnorderedElementsAre(Pair("pool", "big"), Pair("empty", "")));
  ASSERT_EQ(read.steps.size(), 3u);
  EXPECT_EQ(read.steps[0].spec.id, "compile");
  EXPECT_EQ(read.steps[0].spec.image, "docker.io/library/gcc:12");
  EXPECT_THAT(read.steps[0].spec.args, ElementsAre("-c", "", "make all"));
  EXPECT_EQ(read.steps[0].spec.entry_point, "/bin/sh");
  EXPECT_THAT(read.steps[0].spec.envs, ElementsAre(Pair("B", "2"), Pair("A", ""), Pair("B", "3")))
      << "the order of the file is kept";
  EXPECT_EQ(read.steps[0].spec.work_dir, "/workspace/x");
  EXPECT_EQ(read.steps[0].timeout, absl::Minutes(3));
  EXPECT_THAT(read.steps[0].dependencies, IsEmpty());
  EXPECT_THAT(read.steps[1].dependencies, ElementsAre(0, 4, 9));
  EXPECT_EQ(read.steps[1].timeout, absl::ZeroDuration());
  EXPECT_THAT(read.steps[0].exited_with, IsEmpty());
  EXPECT_THAT(read.steps[0].exited_without, IsEmpty());
  EXPECT_THAT(read.steps[1].exited_with, ElementsAre(0, 3, 255));
  EXPECT_THAT(read.steps[1].exited_without, ElementsAre(124));
  EXPECT_EQ(read.steps[0].rerun, core::Rerun::kSafe);
  EXPECT_EQ(read.steps[1].rerun, core::Rerun::kExclusive);
  EXPECT_EQ(read.steps[2].rerun, core::Rerun::kNever);
  EXPECT_TRUE(read.fail_on_conflict);
  EXPECT_TRUE(read.fail_fast);
}

TEST(EventWireTest, WhatAnOlderVersionWroteMeansTheSame) {
  v1::JournalEvent proto;
  proto.mutable_build_submitted()->add_steps()->mutable_spec()->set_step_id("s");
  auto read = FromProto(proto);
  ASSERT_TRUE(read.ok()) << read.status();
  const auto& event = std::get<core::BuildSubmitted>(read->event);
  EXPECT_FALSE(event.fail_on_conflict);
  EXPECT_FALSE(event.fail_fast);
  EXPECT_EQ(event.steps[0].rerun, core::Rerun::kSafe);
  EXPECT_THAT(event.steps[0].exited_with, IsEmpty());
}

TEST(EventWireTest, AClassOfANewerVersionIsTheMostCarefulOne) {
  v1::JournalEvent proto;
  proto.mutable_build_submitted()->add_steps()->set_rerun(17);
  auto read = FromProto(proto);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(std::get<core::BuildSubmitted>(read->event).steps[0].rerun, core::Rerun::kNever);
}

TEST(EventWireTest, TheConfigurationThatDecisionsFollow) {
  const core::ControllerStarted read =
      RoundTrip(core::ControllerStarted{7, absl::Seconds(90), absl::Minutes(5)});
  EXPECT_EQ(read.epoch, 7);
  EXPECT_EQ(read.exclusive_lease, absl::Seconds(90));
  EXPECT_EQ(read.unknown_after, absl::Minutes(5));
  const core::AgentLivenessChanged silent = RoundTrip(
      core::AgentLivenessChanged{"x", core::Liveness::kLost, true, absl::Milliseconds(30500)});
  EXPECT_EQ(silent.silent_for, absl::Milliseconds(30500));
}

TEST(EventWireTest, AgentConnected) {
  core::AgentConnected event;
  event.agent = "host-1";
  event.session = 12;
  event.incarnation = "disk";
  event.boot_id = "boot";
  event.version = "1.2.3";
  event.slots = 8;
  event.labels = {{"arch", "arm64"}};
  const std::vector<core::AttemptReportState> states = {
      core::AttemptReportState::kPreparing, core::AttemptReportState::kPrepared,
      core::AttemptReportState::kStarting, core::AttemptReportState::kRunning,
      core::AttemptReportState::kEnded};
  for (core::AttemptReportState state : states) {
    event.attempts.push_back({{"b", static_cast<int>(state), 2}, state});
  }
  const core::AgentConnected read = RoundTrip(event);
  EXPECT_EQ(read.agent, "host-1");
  EXPECT_EQ(read.session, 12);
  EXPECT_EQ(read.incarnation, "disk");
  EXPECT_EQ(read.boot_id, "boot");
  EXPECT_EQ(read.version, "1.2.3");
  EXPECT_EQ(read.slots, 8);
  EXPECT_THAT(read.labels, UnorderedElementsAre(Pair("arch", "arm64")));
  ASSERT_EQ(read.attempts.size(), states.size());
  for (size_t i = 0; i < states.size(); ++i) {
    EXPECT_EQ(read.attempts[i].state, states[i]);
    EXPECT_EQ(read.attempts[i].key, event.attempts[i].key);
  }
}

TEST(EventWireTest, AgentDisconnected) {
  const auto read = RoundTrip(core::AgentDisconnected{"host-1", 12});
  EXPECT_EQ(read.agent, "host-1");
  EXPECT_EQ(read.session, 12);
}

TEST(EventWireTest, AgentLivenessChanged) {
  for (core::Liveness liveness :
       {core::Liveness::kAlive, core::Liveness::kSuspect, core::Liveness::kLost}) {
    for (bool accepts : {false, true}) {
      const auto read = RoundTrip(core::AgentLivenessChanged{"host-1", liveness, accepts});
      EXPECT_EQ(read.agent, "host-1");
      EXPECT_EQ(read.liveness, liveness);
      EXPECT_EQ(read.accepts_work, accepts);
    }
  }
}

TEST(EventWireTest, AttemptPrepared) {
  const auto read = RoundTrip(core::AttemptPrepared{"host-1", kKey, "sha256:1",
                                                    absl::Milliseconds(1500), absl::Seconds(2)});
  EXPECT_EQ(read.agent, "host-1");
  EXPECT_EQ(read.key, kKey);
  EXPECT_EQ(read.image_digest, "sha256:1");
  EXPECT_EQ(read.pulling, absl::Milliseconds(1500));
  EXPECT_EQ(read.creating, absl::Seconds(2));
}

TEST(EventWireTest, AttemptRejected) {
  for (core::RejectCause cause :
       {core::RejectCause::kBusy, core::RejectCause::kPermanent, core::RejectCause::kHere}) {
    const auto read = RoundTrip(core::AttemptRejected{"host-1", kKey, cause, "no such image"});
    EXPECT_EQ(read.agent, "host-1");
    EXPECT_EQ(read.key, kKey);
    EXPECT_EQ(read.cause, cause);
    EXPECT_EQ(read.message, "no such image");
  }
}

TEST(EventWireTest, AttemptStarted) {
  const auto read = RoundTrip(core::AttemptStarted{"host-1", kKey, absl::Nanoseconds(5)});
  EXPECT_EQ(read.agent, "host-1");
  EXPECT_EQ(read.key, kKey);
  EXPECT_EQ(read.restoring, absl::Nanoseconds(5));
}

TEST(EventWireTest, AttemptEnded) {
  for (core::EndKind kind : {core::EndKind::kExited, core::EndKind::kTimedOut,
                             core::EndKind::kCancelled, core::EndKind::kErrored}) {
    core::AttemptEnded event;
    event.agent = "host-1";
    event.key = kKey;
    event.kind = kind;
    event.exit_code = 137;
    event.oom_killed = true;
    event.message = "why";
    event.output = kTree;
    event.log_end = int64_t{1} << 40;
    event.running = absl::Seconds(9);
    event.capturing = absl::Milliseconds(3);
    event.warnings = {"w1", "w2"};
    event.never_started = true;
    event.may_retry = true;
    event.missing = {kTree, {std::string(64, 'b'), 0}};
    const auto read = RoundTrip(event);
    EXPECT_EQ(read.agent, "host-1");
    EXPECT_EQ(read.key, kKey);
    EXPECT_EQ(read.kind, kind);
    EXPECT_EQ(read.exit_code, 137);
    EXPECT_TRUE(read.oom_killed);
    EXPECT_EQ(read.message, "why");
    EXPECT_EQ(read.output, kTree);
    EXPECT_EQ(read.log_end, int64_t{1} << 40);
    EXPECT_EQ(read.running, absl::Seconds(9));
    EXPECT_EQ(read.capturing, absl::Milliseconds(3));
    EXPECT_THAT(read.warnings, ElementsAre("w1", "w2"));
    EXPECT_TRUE(read.never_started);
    EXPECT_TRUE(read.may_retry);
    EXPECT_EQ(read.missing, event.missing);
  }
}

TEST(EventWireTest, AttemptEndedWithoutOutputOrAnythingElse) {
  core::AttemptEnded event;
  event.key = kKey;
  const auto read = RoundTrip(event);
  EXPECT_TRUE(read.output.empty());
  EXPECT_EQ(read.output, core::Digest());
  EXPECT_FALSE(read.oom_killed || read.never_started || read.may_retry);
  EXPECT_EQ(read.log_end, 0);
  EXPECT_THAT(read.warnings, IsEmpty());
}

TEST(EventWireTest, TreeJoined) {
  core::TreeJoined event{
      "b1",
      -1,
      kTree,
      {{"a", "b", "out/x", core::Deed::kRemoved, core::Deed::kReplacedParent}, {"a", "c", "y"}},
      ""};
  auto read = RoundTrip(event);
  EXPECT_EQ(read.build_id, "b1");
  EXPECT_EQ(read.step, -1) << "the final workspace";
  EXPECT_EQ(read.root, kTree);
  ASSERT_EQ(read.conflicts.size(), 2u);
  EXPECT_EQ(read.conflicts[0].earlier_step, "a");
  EXPECT_EQ(read.conflicts[0].later_step, "b");
  EXPECT_EQ(read.conflicts[0].path, "out/x");
  EXPECT_EQ(read.conflicts[0].earlier_deed, core::Deed::kRemoved);
  EXPECT_EQ(read.conflicts[0].later_deed, core::Deed::kReplacedParent);
  EXPECT_EQ(read.conflicts[1].later_step, "c");
  EXPECT_EQ(read.error, "");

  read = RoundTrip(core::TreeJoined{"b1", 4, {}, {}, "a blob is missing"});
  EXPECT_EQ(read.step, 4);
  EXPECT_TRUE(read.root.empty());
  EXPECT_EQ(read.error, "a blob is missing");
  EXPECT_THAT(read.missing, IsEmpty());
  EXPECT_EQ(read.generation, 0) << "as in journals of before";

  read = RoundTrip(core::TreeJoined{"b1", 4, {}, {}, "lost", {kTree}, 3});
  EXPECT_THAT(read.missing, ElementsAre(kTree));
  EXPECT_EQ(read.generation, 3);
}

TEST(EventWireTest, BlobsUploaded) {
  const core::Digest other{std::string(64, 'b'), 0};
  const auto read = RoundTrip(core::BlobsUploaded{"host-1", kKey, {kTree, other}});
  EXPECT_EQ(read.agent, "host-1");
  EXPECT_EQ(read.key, kKey);
  EXPECT_THAT(read.blobs, ElementsAre(kTree, other));
  EXPECT_THAT(RoundTrip(core::BlobsUploaded{"host-1", kKey, {}}).blobs, IsEmpty());
}

TEST(EventWireTest, BlobsTraced) {
  const core::Digest other{std::string(64, 'b'), 0};
  const auto read = RoundTrip(core::BlobsTraced{"b1", 5, {kTree}, {{2, other}}, {other, kTree}});
  EXPECT_EQ(read.build_id, "b1");
  EXPECT_EQ(read.step, 5);
  EXPECT_THAT(read.in_context, ElementsAre(kTree));
  ASSERT_EQ(read.made.size(), 1u);
  EXPECT_EQ(read.made[0].step, 2);
  EXPECT_EQ(read.made[0].blob, other);
  EXPECT_THAT(read.unknown, ElementsAre(other, kTree));
}

TEST(EventWireTest, CancelRequested) {
  const auto read = RoundTrip(core::CancelRequested{"b1", "enough"});
  EXPECT_EQ(read.build_id, "b1");
  EXPECT_EQ(read.reason, "enough");
}

TEST(EventWireTest, DrainRequested) {
  for (bool drain : {false, true}) {
    const auto read = RoundTrip(core::DrainRequested{"host-1", drain});
    EXPECT_EQ(read.agent, "host-1");
    EXPECT_EQ(read.drain, drain);
  }
}

TEST(EventWireTest, TimerFired) { RoundTrip(core::TimerFired()); }

TEST(EventWireTest, WhatNoVersionWroteIsDataLoss) {
  EXPECT_EQ(FromProto(v1::JournalEvent()).status().code(), absl::StatusCode::kDataLoss);
  v1::JournalEvent liveness;
  liveness.mutable_agent_liveness()->set_liveness(9);
  EXPECT_EQ(FromProto(liveness).status().code(), absl::StatusCode::kDataLoss);
}

TEST(EventWireTest, WordsOfANewerAgentAreTakenForTheWorst) {
  v1::Rejected rejected;
  rejected.set_cause(static_cast<v1::RejectCause>(99));
  EXPECT_EQ(std::get<core::AttemptRejected>(FromProto("x", rejected)).cause,
            core::RejectCause::kPermanent);
  v1::Result result;
  EXPECT_EQ(std::get<core::AttemptEnded>(FromProto("x", result)).kind, core::EndKind::kErrored)
      << "a result that doesn't say how it ended is never taken for a success";
}

TEST(ValueWireTest, DurationsKeepNanosecondsAndTheirSign) {
  for (absl::Duration duration :
       {absl::ZeroDuration(), absl::Nanoseconds(1), absl::Seconds(1) - absl::Nanoseconds(1),
        absl::Hours(24 * 365), -absl::Nanoseconds(1), -absl::Milliseconds(1500)}) {
    EXPECT_EQ(FromProto(ToProto(duration)), duration);
  }
}

TEST(ValueWireTest, InfiniteDurationsAreNone) {
  EXPECT_EQ(FromProto(ToProto(absl::InfiniteDuration())), absl::ZeroDuration());
  EXPECT_EQ(FromProto(ToProto(-absl::InfiniteDuration())), absl::ZeroDuration());
}

TEST(ValueWireTest, DurationsThatNoClockMeasuredDoNoHarm) {
  google::protobuf::Duration huge;
  huge.set_seconds(std::numeric_limits<int64_t>::max());
  huge.set_nanos(std::numeric_limits<int32_t>::max());
  EXPECT_EQ(ToProto(FromProto(huge)).seconds(), 0) << "more than any duration is infinite";
}

TEST(ValueWireTest, TimesBeforeTheEpochHaveNoNegativeNanos) {
  const absl::Time time = absl::FromUnixNanos(-1);
  EXPECT_EQ(ToProto(time).seconds(), -1);
  EXPECT_EQ(ToProto(time).nanos(), 999999999);
  EXPECT_EQ(FromProto(ToProto(time)), time);
  EXPECT_EQ(ToProto(absl::InfiniteFuture()).seconds(), 0);
  EXPECT_EQ(ToProto(absl::InfinitePast()).seconds(), 0);
}

}  // namespace
}  // namespace rally::wire
