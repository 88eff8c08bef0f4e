#include "agent/reaper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/synchronization/notification.h"

namespace rally::agent {
namespace {

using ::testing::ElementsAre;

TEST(ReaperTest, RepeatsWhatFailsAndGoesOnWithTheRest) {
  Reaper reaper(absl::Milliseconds(1));
  std::vector<std::string> done;
  absl::Notification all;
  int failures = 0;
  reaper.Clean("stubborn", [&] {
    if (++failures <= 3) return absl::UnavailableError("not yet");
    done.push_back("stubborn");
    all.Notify();
    return absl::OkStatus();
  });
  reaper.Clean("easy", [&] {
    done.push_back("easy");
    return absl::OkStatus();
  });
  ASSERT_TRUE(all.WaitForNotificationWithTimeout(absl::Seconds(10)));
  EXPECT_THAT(done, ElementsAre("easy", "stubborn"));
  EXPECT_EQ(failures, 4);
}

TEST(ReaperTest, FinishingDoesNotWaitForPauses) {
  Reaper reaper(absl::Hours(1));
  absl::Notification release;
  std::vector<std::string> done;
  reaper.Clean("first", [&] {
    release.WaitForNotification();
    return absl::OkStatus();
  });
  int tries = 0;
  reaper.Clean("failing", [&] {
    ++tries;
    return absl::UnavailableError("never");
  });
  reaper.Clean("waiting", [&] {
    done.push_back("waiting");
    return absl::OkStatus();
  });
  release.Notify();
  reaper.Stop(/*finish=*/true);
  EXPECT_THAT(done, ElementsAre("waiting"));
  EXPECT_GE(tries, 1);
  EXPECT_LE(tries, 2) << "once before, perhaps, and once at the end";
}

TEST(ReaperTest, WorkMayAddWork) {
  Reaper reaper(absl::Milliseconds(1));
  absl::Notification second;
  reaper.Clean("first", [&] {
    reaper.Clean("second", [&] {
      second.Notify();
      return absl::OkStatus();
    });
    return absl::OkStatus();
  });
  EXPECT_TRUE(second.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

}  // namespace
}  // namespace rally::agent
