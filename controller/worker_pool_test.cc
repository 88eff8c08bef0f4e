#include "controller/worker_pool.h"

#include <atomic>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace rally::controller {
namespace {

TEST(WorkerPoolTest, RunsBothAtTheSameTime) {
  WorkerPool pool(1, 10);
  absl::Notification own_began, other_began;
  // Each waits for the other, so this ends only if they do run together.
  pool.RunBoth(
      [&] {
        own_began.Notify();
        other_began.WaitForNotification();
      },
      [&] {
        other_began.Notify();
        own_began.WaitForNotification();
      });
}

TEST(WorkerPoolTest, RunsBothOnItsOnlyThread) {
  WorkerPool pool(1, 10);
  absl::Notification done;
  int runs = 0;
  pool.Post([&] {
    pool.RunBoth([&] { ++runs; }, [&] { ++runs; });
    done.Notify();
  });
  done.WaitForNotification();
  EXPECT_EQ(runs, 2);
}

TEST(WorkerPoolTest, RunsBothOnceEachWhenAllThreadsDoSo) {
  constexpr int kJobs = 1000;
  WorkerPool pool(4, 10);
  std::atomic<int> own{0}, other{0}, ended{0};
  absl::Notification done;
  for (int i = 0; i < kJobs; ++i) {
    pool.Post([&] {
      pool.RunBoth([&] { ++own; }, [&] { ++other; });
      if (++ended == kJobs) done.Notify();
    });
  }
  done.WaitForNotification();
  EXPECT_EQ(own, kJobs);
  EXPECT_EQ(other, kJobs);
}

TEST(WorkerPoolTest, RunsBothWhenItIsStopped) {
  WorkerPool pool(1, 10);
  pool.Stop();
  int runs = 0;
  pool.RunBoth([&] { ++runs; }, [&] { ++runs; });
  EXPECT_EQ(runs, 2);
}

}  // namespace
}  // namespace rally::controller
