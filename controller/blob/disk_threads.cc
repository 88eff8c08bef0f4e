#include "controller/blob/disk_threads.h"

#include <utility>

namespace rally::cas {

DiskThreads::DiskThreads(int threads, int max_queued) : max_queued_(max_queued) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

DiskThreads::~DiskThreads() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

bool DiskThreads::TrySchedule(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (queue_.size() >= static_cast<size_t>(max_queued_)) return false;
  queue_.push_back(std::move(work));
  return true;
}

void DiskThreads::Schedule(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(work));
}

void DiskThreads::Run() {
  const auto wake = [this]()
                        ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || !queue_.empty(); };
  while (true) {
    std::function<void()> work;
    {
      absl::MutexLock lock(&mutex_, absl::Condition(&wake));
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace rally::cas
