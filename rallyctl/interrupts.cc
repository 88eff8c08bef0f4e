#include "rallyctl/interrupts.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "glog/logging.h"

namespace rally::rallyctl {
namespace {

// A handler may do little more than write, and knows nothing but globals.
int signal_event = -1;

void OnSignal(int) {
  const int saved = errno;
  const uint64_t one = 1;
  // The counter can't be full, and there is nobody to tell here.
  if (write(signal_event, &one, sizeof(one)) < 0) {
  }
  errno = saved;
}

}  // namespace

Interrupts::Interrupts(std::function<void(int)> on_interrupt)
    : on_interrupt_(std::move(on_interrupt)) {
  CHECK_EQ(signal_event, -1) << "two Interrupts at a time";
  signal_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  stop_event_ = eventfd(0, EFD_CLOEXEC);
  PCHECK(signal_event >= 0 && stop_event_ >= 0);
  thread_ = std::thread([this] { Run(); });
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, &old_int_);
  sigaction(SIGTERM, &action, &old_term_);
}

Interrupts::~Interrupts() {
  sigaction(SIGINT, &old_int_, nullptr);
  sigaction(SIGTERM, &old_term_, nullptr);
  const uint64_t one = 1;
  PCHECK(write(stop_event_, &one, sizeof(one)) == sizeof(one));
  thread_.join();
  close(stop_event_);
  close(signal_event);
  signal_event = -1;
}

void Interrupts::Run() {
  int count = 0;
  pollfd events[] = {{signal_event, POLLIN, 0}, {stop_event_, POLLIN, 0}};
  while (true) {
    if (poll(events, 2, -1) < 0) continue;
    if (events[1].revents != 0) return;
    uint64_t signals = 0;
    if (read(signal_event, &signals, sizeof(signals)) != sizeof(signals)) continue;
    for (uint64_t i = 0; i < signals; ++i) on_interrupt_(++count);
  }
}

}  // namespace rally::rallyctl
