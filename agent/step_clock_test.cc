#include "agent/step_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "absl/synchronization/notification.h"

namespace rally::agent {
namespace {

TEST(StepClockTest, CallsInTheOrderOfTheirTimesAndNotBefore) {
  auto clock = StepClock::Start();
  ASSERT_EQ(clock.status(), absl::OkStatus());
  const int64_t start = BootNanos();
  std::vector<int> order;
  absl::Notification all;
  (*clock)->CallAt(start + 40'000'000, [&] {
    order.push_back(2);
    EXPECT_GE(BootNanos(), start + 40'000'000);
    all.Notify();
  });
  (*clock)->CallAt(start + 20'000'000, [&] {
    order.push_back(1);
    EXPECT_GE(BootNanos(), start + 20'000'000);
  });
  (*clock)->CallAt(start - 1, [&] { order.push_back(0); });
  ASSERT_TRUE(all.WaitForNotificationWithTimeout(absl::Seconds(10)));
  EXPECT_THAT(order, ::testing::ElementsAre(0, 1, 2));
}

TEST(StepClockTest, AnEarlierTimeOvertakesALaterOneThatIsArmed) {
  auto clock = StepClock::Start();
  ASSERT_EQ(clock.status(), absl::OkStatus());
  bool late = false;
  absl::Notification soon;
  (*clock)->CallAfter(absl::Hours(1), [&] { late = true; });
  (*clock)->CallAfter(absl::InfiniteDuration(), [&] { late = true; });
  (*clock)->CallAfter(absl::Milliseconds(1), [&] { soon.Notify(); });
  ASSERT_TRUE(soon.WaitForNotificationWithTimeout(absl::Seconds(10)));
  clock->reset();
  EXPECT_FALSE(late);
}

TEST(StepClockTest, ACallbackMayAskForAnother) {
  auto clock = StepClock::Start();
  ASSERT_EQ(clock.status(), absl::OkStatus());
  absl::Notification second;
  (*clock)->CallAfter(absl::ZeroDuration(), [&] {
    (*clock)->CallAfter(absl::Milliseconds(1), [&] { second.Notify(); });
  });
  EXPECT_TRUE(second.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

}  // namespace
}  // namespace rally::agent
