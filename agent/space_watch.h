#ifndef RALLY_AGENT_SPACE_WATCH_H_
#define RALLY_AGENT_SPACE_WATCH_H_

#include <atomic>
#include <condition_variable>
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
  explicit SpaceWatch(const DataDirectory* data);
  ~SpaceWatch();

  Session::Health Latest() const;

  // New steps are refused when less than a tenth and less than 1 GiB is free.
  static bool HasRoom(const DataDirectory::Space& space);

 private:
  void Look();

  const DataDirectory* const data_;
  std::atomic<int64_t> free_bytes_{0};
  std::atomic<bool> has_room_{true};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_SPACE_WATCH_H_
