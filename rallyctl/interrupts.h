#ifndef RALLY_RALLYCTL_INTERRUPTS_H_
#define RALLY_RALLYCTL_INTERRUPTS_H_

#include <signal.h>

#include <functional>
#include <thread>

namespace rally::rallyctl {

// While it lives, SIGINT (Ctrl-C) and SIGTERM are told to a function instead of ending the process.
// Ownership: at most one at a time. Threads: the function is called on a thread of its own, with
// how many there were so far.
class Interrupts {
 public:
  explicit Interrupts(std::function<void(int count)> on_interrupt);
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

 private:
  void Run();

  const std::function<void(int)> on_interrupt_;
  int stop_event_ = -1;
  struct sigaction old_int_ = {};
  struct sigaction old_term_ = {};
  std::thread thread_;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_INTERRUPTS_H_
