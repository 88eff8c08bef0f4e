#include "agent/runtime/shared_work.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "agent/runtime/cancellation.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::runtime {
namespace {

Image Named(const std::string& name) {
  Image image;
  image.name = name;
  return image;
}

TEST(SharedWorkTest, ThoseWhoComeMeanwhileGetTheSameResult) {
  SharedWork shared;
  absl::Notification started, finish;
  std::atomic<int> runs{0};
  const auto work = [&]() -> absl::StatusOr<Image> {
    ++runs;
    started.Notify();
    finish.WaitForNotification();
    return Named("one");
  };
  std::vector<absl::StatusOr<Image>> results(4);
  std::vector<std::thread> threads;
  threads.emplace_back([&] { results[0] = shared.Do("key", {}, work); });
  started.WaitForNotification();
  for (int i = 1; i < 4; ++i) {
    // A caller that is late enough does nothing itself and finds the same.
    threads.emplace_back([&, i] {
      results[i] = shared.Do("key", {}, [] { return absl::StatusOr<Image>(Named("one")); });
    });
  }
  finish.Notify();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(runs, 1);
  for (const auto& result : results) EXPECT_EQ(result->name, "one");
}

TEST(SharedWorkTest, DifferentKeysDoNotWaitForEachOther) {
  SharedWork shared;
  const auto outer = shared.Do("a", {}, [&]() -> absl::StatusOr<Image> {
    return shared.Do("b", {}, [] { return absl::StatusOr<Image>(Named("b")); });
  });
  EXPECT_EQ(outer->name, "b");
}

TEST(SharedWorkTest, OneWhoWaitsCanGiveUp) {
  SharedWork shared;
  absl::Notification started, finish;
  std::thread worker([&] {
    EXPECT_EQ(shared
                  .Do("key", {},
                      [&]() -> absl::StatusOr<Image> {
                        started.Notify();
                        finish.WaitForNotification();
                        return Named("late");
                      })
                  ->name,
              "late");
  });
  started.WaitForNotification();
  const auto never = []() -> absl::StatusOr<Image> { return absl::InternalError("not mine"); };
  EXPECT_EQ(shared.Do("key", absl::Now() + absl::Milliseconds(1), never).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  Cancellation cancellation;
  absl::Status status;
  std::thread waiter([&] {
    status = shared.Do("key", {absl::InfiniteFuture(), &cancellation}, never).status();
  });
  cancellation.Cancel();
  waiter.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  finish.Notify();
  worker.join();
}

TEST(SharedWorkTest, AnotherTakesOverFromOneWhoGaveUp) {
  SharedWork shared;
  Cancellation cancellation;
  absl::Notification started, finish;
  std::thread first([&] {
    const auto result =
        shared.Do("key", {absl::InfiniteFuture(), &cancellation}, [&]() -> absl::StatusOr<Image> {
          started.Notify();
          finish.WaitForNotification();
          return absl::CancelledError("gave up");
        });
    EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  });
  started.WaitForNotification();
  absl::StatusOr<Image> second;
  std::thread other([&] {
    second = shared.Do("key", {}, [] { return absl::StatusOr<Image>(Named("second")); });
  });
  cancellation.Cancel();
  finish.Notify();
  first.join();
  other.join();
  ASSERT_EQ(second.status(), absl::OkStatus());
  EXPECT_EQ(second->name, "second");
}

TEST(SharedWorkTest, AFailureIsSharedAndThenForgotten) {
  SharedWork shared;
  const auto fail = []() -> absl::StatusOr<Image> { return absl::NotFoundError("no such image"); };
  EXPECT_EQ(shared.Do("key", {}, fail).status(), absl::NotFoundError("no such image"));
  EXPECT_EQ(shared.Do("key", {}, [] { return absl::StatusOr<Image>(Named("x")); })->name, "x");
}

TEST(CancellationTest, RunsCallbacksOnceAndLateOnesAtOnce) {
  Cancellation cancellation;
  int early = 0, late = 0, gone = 0;
  Cancellation::Subscription first, second;
  cancellation.Subscribe([&] { ++early; }, &first);
  {
    Cancellation::Subscription dropped;
    cancellation.Subscribe([&] { ++gone; }, &dropped);
  }
  EXPECT_FALSE(cancellation.WaitFor(absl::ZeroDuration()));
  cancellation.Cancel();
  cancellation.Cancel();
  cancellation.Subscribe([&] { ++late; }, &second);
  EXPECT_EQ(early, 1);
  EXPECT_EQ(late, 1);
  EXPECT_EQ(gone, 0);
  EXPECT_TRUE(cancellation.WaitFor(absl::InfiniteDuration()));
}

}  // namespace
}  // namespace rally::runtime
