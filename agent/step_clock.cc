#include "agent/step_clock.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace rally::agent {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

}  // namespace

int64_t BootNanos() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * kNanosPerSecond + now.tv_nsec;
}

absl::StatusOr<std::unique_ptr<StepClock>> StepClock::Start() {
  const int timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timer_fd < 0) return absl::ErrnoToStatus(errno, "cannot make a timer on the boot clock");
  const int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) {
    const int error = errno;
    close(timer_fd);
    return absl::ErrnoToStatus(error, "cannot make an eventfd");
  }
  return std::unique_ptr<StepClock>(new StepClock(timer_fd, wake_fd));
}

StepClock::StepClock(int timer_fd, int wake_fd)
    : timer_fd_(timer_fd), wake_fd_(wake_fd), thread_([this] { Run(); }) {}

StepClock::~StepClock() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  eventfd_write(wake_fd_, 1);
  thread_.join();
  close(timer_fd_);
  close(wake_fd_);
}

void StepClock::CallAt(int64_t boot_nanos, std::function<void()> callback) {
  {
    absl::MutexLock lock(&mutex_);
    due_.emplace(boot_nanos, std::move(callback));
  }
  eventfd_write(wake_fd_, 1);
}

void StepClock::CallAfter(absl::Duration delay, std::function<void()> callback) {
  const int64_t now = BootNanos();
  const int64_t nanos = absl::ToInt64Nanoseconds(delay);
  const int64_t room = std::numeric_limits<int64_t>::max() - now;
  CallAt(now + std::min(nanos, room), std::move(callback));
}

std::vector<std::function<void()>> StepClock::TakeDue() {
  std::vector<std::function<void()>> taken;
  absl::MutexLock lock(&mutex_);
  const auto end = due_.upper_bound(BootNanos());
  for (auto it = due_.begin(); it != end; ++it) taken.push_back(std::move(it->second));
  due_.erase(due_.begin(), end);
  itimerspec timer = {};  // Zero disarms it.
  if (!due_.empty()) {
    // Zero would disarm the timer, too; all times of interest are later.
    const int64_t next = std::max<int64_t>(due_.begin()->first, 1);
    timer.it_value.tv_sec = next / kNanosPerSecond;
    timer.it_value.tv_nsec = next % kNanosPerSecond;
  }
  timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &timer, nullptr);
  return taken;
}

void StepClock::Run() {
  while (true) {
    for (const std::function<void()>& callback : TakeDue()) {
      {
        absl::MutexLock lock(&mutex_);
        if (stopping_) return;
      }
      callback();
    }
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
    }
    pollfd events[2] = {{timer_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    poll(events, 2, -1);
    uint64_t count;
    // Both only say that something is to be looked at; a failed read means that nothing is.
    if (read(timer_fd_, &count, sizeof count) < 0 && errno != EAGAIN) continue;
    if (read(wake_fd_, &count, sizeof count) < 0 && errno != EAGAIN) continue;
  }
}

}  // namespace rally::agent
