#ifndef RALLY_AGENT_REAPER_H_
#define RALLY_AGENT_REAPER_H_

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace rally::agent {

// Cleans up behind attempts in the background: each piece of work is repeated until it succeeds, so
// that a hiccup of containerd leaves nothing behind, and none of it delays a result. What isn't
// done when the process ends, the next one finds and does. Ownership: owns its thread. Threads:
// thread-safe; work runs on the reaper's thread, one piece at a time, and may add more. Blocking:
// Clean() never; Stop() and the destructor for the piece at work.
class Reaper {
 public:
  explicit Reaper(absl::Duration first_pause = absl::Seconds(1));
  ~Reaper();
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  // `what` names the work in the log. It must be idempotent. Bounded by what there is to clean: an
  // attempt adds work at most twice.
  void Clean(std::string what, std::function<absl::Status()> work);

  // Ends the thread; with `finish`, after each piece that waits was tried once more.
  void Stop(bool finish);

 private:
  using Clock = std::chrono::steady_clock;
  struct Piece {
    std::string what;
    std::function<absl::Status()> work;
    int failures = 0;
    Clock::time_point due = Clock::time_point::min();
  };

  void Run();
  bool Next(Piece* piece);

  const absl::Duration first_pause_;
  // The standard ones wait on the steady clock, whatever happens to the wall clock.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> pieces_;  // Guarded by mutex_, as the next two.
  bool stopping_ = false;
  bool finish_ = false;
  std::thread thread_;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_REAPER_H_
