#include "agent/service.h"

#include <pthread.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>

#include "glog/logging.h"

namespace rally::agent {
namespace {

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

void BlockStopSignals() {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

void AwaitStop() {
  sd_notify(0, "READY=1");
  uint64_t watchdog_micros = 0;
  const bool watched = sd_watchdog_enabled(0, &watchdog_micros) > 0;
  const sigset_t signals = StopSignals();
  int received = -1;
  while (received < 0) {
    if (!watched) {
      received = sigwaitinfo(&signals, nullptr);
      continue;
    }
    const uint64_t micros = std::max<uint64_t>(watchdog_micros / 2, 1000);
    timespec pause = {static_cast<time_t>(micros / 1'000'000),
                      static_cast<long>(micros % 1'000'000 * 1000)};
    received = sigtimedwait(&signals, nullptr, &pause);
    if (received < 0 && errno == EAGAIN) sd_notify(0, "WATCHDOG=1");
  }
  sd_notify(0, "STOPPING=1");
  LOG(INFO) << "stopping on signal " << received << "; running steps go on";
}

void ExitAfter(absl::Duration grace) {
  signal(SIGALRM, [](int) { _exit(0); });
  alarm(static_cast<unsigned>(std::max<int64_t>(1, absl::ToInt64Seconds(grace))));
}

}  // namespace rally::agent
