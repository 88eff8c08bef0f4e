#include <signal.h>
#include <systemd/sd-daemon.h>

#include <iostream>

#include "common/tune_process.h"
#include "controller/controller.h"
#include "controller/options.h"
#include "glog/logging.h"

int main(int argc, char** argv) {
  rally::TuneProcess(rally::kArenasOfADaemon);
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  int exit_code = 0;
  const auto options = rally::controller::ParseOptions(argc, argv, &exit_code);
  if (!options.has_value()) return exit_code;

  // Blocked before any thread starts, so that only sigwait below sees them.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);

  auto controller = rally::controller::Controller::Start(*options);
  if (!controller.ok()) {
    std::cerr << "rally-controller: " << controller.status().message() << "\n";
    return 1;
  }
  std::cout << "listening on " << (*controller)->address() << std::endl;
  sd_notifyf(0, "READY=1\nSTATUS=listening on %s", (*controller)->address().c_str());

  int received = 0;
  sigwait(&stop, &received);
  sd_notify(0, "STOPPING=1");
  return 0;
}
