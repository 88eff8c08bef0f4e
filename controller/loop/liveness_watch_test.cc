#include "controller/loop/liveness_watch.h"

#include "gtest/gtest.h"

namespace rally::controller {
namespace {

using core::Liveness;

const absl::Time kStart = absl::FromUnixSeconds(1000);

absl::Time At(int seconds) { return kStart + absl::Seconds(seconds); }

TEST(LivenessWatchTest, SuspectThenLostThenAliveAgain) {
  LivenessWatch watch({absl::Seconds(6), absl::Seconds(30)});
  core::AgentLivenessChanged event;
  EXPECT_FALSE(watch.Seen("a", true, At(0), &event));
  EXPECT_EQ(watch.NextDeadline(), At(6));
  EXPECT_TRUE(watch.Check(At(5)).empty());

  auto changes = watch.Check(At(6));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].liveness, Liveness::kSuspect);
  EXPECT_EQ(watch.NextDeadline(), At(30));
  EXPECT_TRUE(watch.Check(At(29)).empty());

  changes = watch.Check(At(30));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].liveness, Liveness::kLost);
  EXPECT_EQ(changes[0].silent_for, absl::Seconds(30));
  EXPECT_EQ(watch.NextDeadline(), absl::InfiniteFuture());

  EXPECT_TRUE(watch.Seen("a", true, At(40), &event));
  EXPECT_EQ(event.liveness, Liveness::kAlive);
  EXPECT_EQ(watch.NextDeadline(), At(46));
}

TEST(LivenessWatchTest, TellsWhenAnAgentStopsTakingWork) {
  LivenessWatch watch({});
  core::AgentLivenessChanged event;
  EXPECT_FALSE(watch.Seen("a", true, At(0), &event));
  EXPECT_TRUE(watch.Seen("a", false, At(1), &event));
  EXPECT_FALSE(event.accepts_work);
  EXPECT_FALSE(watch.Seen("a", false, At(2), &event));
}

TEST(LivenessWatchTest, TimeInWhichNobodyWasHeardCountsAgainstNobody) {
  LivenessWatch watch({absl::Seconds(6), absl::Seconds(30)});
  core::AgentLivenessChanged event;
  watch.Seen("quiet", true, At(0), &event);
  watch.Seen("fresh", true, At(60), &event);
  watch.Prolong(absl::Seconds(57), At(60));
  EXPECT_TRUE(watch.Check(At(62)).empty());
  auto changes = watch.Check(At(63));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].agent, "quiet");
  EXPECT_EQ(watch.LastSeen("fresh"), At(60)) << "a lease never begins in the future";
}

TEST(LivenessWatchTest, AgentsAreJudgedEachByItsOwnHeartbeats) {
  LivenessWatch watch({});
  core::AgentLivenessChanged event;
  watch.Seen("a", true, At(0), &event);
  watch.Seen("b", true, At(0), &event);
  watch.Seen("b", true, At(5), &event);
  auto changes = watch.Check(At(7));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].agent, "a");
}

}  // namespace
}  // namespace rally::controller
