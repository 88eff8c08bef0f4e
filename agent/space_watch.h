#ifndef RALLY_AGENT_SPACE_WATCH_H_
#define RALLY_AGENT_SPACE_WATCH_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "agent/data_directory.h"
#include "agent/session.h"

namespace rally::agent {

// Knows how much room the data directory's disk has, as of a moment ago, so that a heartbeat
// doesn't wait for a disk. Ownership: owns its thread; the directory outlives it. Threads:
// thread-safe. Blocking: the destructor, for one look at the disk.
class SpaceWatch {
 public:
  // Calls `keep_budget` after each look, with the bytes that have to become free before new steps
  // can be taken. It doesn't block.
  SpaceWatch(const DataDirectory* data, std::function<void(int64_t)> keep_budget);
  ~SpaceWatch();

  Session::Health Latest() const;

  // New steps are refused when less than a tenth and less than 1 GiB is free.
  static bool HasRoom(const DataDirectory::Space& space);

 private:
  void Look();

  const DataDirectory* const data_;
  const std::function<void(int64_t)> keep_budget_;
  std::atomic<int64_t> free_bytes_{0};
  std::atomic<bool> has_room_{true};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_SPACE_WATCH_H_
