#include "agent/workspace/background_work.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "glog/logging.h"

namespace rally::workspace {
namespace {

// When cores are scarce, a tenth of what a thread gets that somebody waits for.
constexpr int kNicer = 10;

}  // namespace

BackgroundWork::BackgroundWork() : thread_([this] { Run(); }) {}

BackgroundWork::~BackgroundWork() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

bool BackgroundWork::Add(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (stopping_ || queue_.size() >= kMaxQueued) return false;
  queue_.push_back(std::move(work));
  return true;
}

void BackgroundWork::LowerPriority() {
  Add([] {
    errno = 0;
    const bool lowered = nice(kNicer) != -1 || errno == 0;  // On Linux of this thread alone.
    PLOG_IF(WARNING, !lowered) << "background work of workspaces keeps its priority";
  });
}

void BackgroundWork::WaitUntilIdle() {
  absl::MutexLock lock(&mutex_);
  const auto idle = [this]()
                        ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return queue_.empty() && !busy_; };
  mutex_.Await(absl::Condition(&idle));
}

void BackgroundWork::Run() {
  while (true) {
    std::function<void()> work;
    {
      absl::MutexLock lock(&mutex_);
      const auto wanted = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return !queue_.empty() || stopping_;
      };
      mutex_.Await(absl::Condition(&wanted));
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
    }
    work();
    absl::MutexLock lock(&mutex_);
    busy_ = false;
  }
}

}  // namespace rally::workspace
