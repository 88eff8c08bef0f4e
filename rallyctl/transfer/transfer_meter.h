#ifndef RALLY_RALLYCTL_TRANSFER_TRANSFER_METER_H_
#define RALLY_RALLYCTL_TRANSFER_TRANSFER_METER_H_

#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rallyctl/commands/command.h"

namespace rally::rallyctl {

// Shows how far something is while it lives: on a terminal as often as a person can read, as plain
// lines only now and then, since they stay. What is quick shows nothing.
//
// Ownership: the invocation outlives it. Threads: `snapshot` is called on a thread of its own;
// meanwhile nobody else may use the invocation's terminal. Blocking: the destructor, for one
// snapshot.
class TransferMeter {
 public:
  struct Snapshot {
    std::string line;   // empty: there is nothing to show yet
    std::string event;  // for --progress json; empty: none
  };

  TransferMeter(Invocation* invocation, std::function<Snapshot()> snapshot);
  ~TransferMeter();
  TransferMeter(const TransferMeter&) = delete;
  TransferMeter& operator=(const TransferMeter&) = delete;

 private:
  void Run();
  void Show();

  Invocation* const invocation_;
  const std::function<Snapshot()> snapshot_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_TRANSFER_TRANSFER_METER_H_
