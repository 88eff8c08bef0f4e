#include "controller/worker_pool.h"

#include <atomic>
#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"

namespace rally::controller {

WorkerPool::WorkerPool(int threads, size_t queue_limit) : queue_limit_(queue_limit) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

void WorkerPool::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

bool WorkerPool::TryPost(std::function<void()> job) {
  absl::MutexLock lock(&mutex_);
  if (stopping_ || queue_.size() >= queue_limit_) return false;
  queue_.push_back(std::move(job));
  return true;
}

void WorkerPool::Post(std::function<void()> job) {
  absl::MutexLock lock(&mutex_);
  if (!stopping_) queue_.push_back(std::move(job));
}

void WorkerPool::RunBoth(const std::function<void()>& own, std::function<void()> other) {
  struct Other {
    std::function<void()> work;
    std::atomic<bool> taken{false};
    absl::Notification done;
  };
  // Shared, as a thread may find it in the queue long after it was done here.
  const auto state = std::make_shared<Other>();
  state->work = std::move(other);
  TryPost([state] {
    if (state->taken.exchange(true)) return;
    state->work();
    state->done.Notify();
  });
  own();
  if (state->taken.exchange(true)) {
    state->done.WaitForNotification();
  } else {
    state->work();
  }
}

void WorkerPool::Run() {
  while (true) {
    std::function<void()> job;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(
          +[](WorkerPool* pool) ABSL_EXCLUSIVE_LOCKS_REQUIRED(pool->mutex_) {
            return pool->stopping_ || !pool->queue_.empty();
          },
          this));
      if (stopping_) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    job();
  }
}

}  // namespace rally::controller
