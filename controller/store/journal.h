#ifndef RALLY_CONTROLLER_STORE_JOURNAL_H_
#define RALLY_CONTROLLER_STORE_JOURNAL_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "rally/v1/journal.pb.h"

namespace rally::store {

// The durable list of events that the core's state is a function of. It keeps them and gives them
// back in order; it knows nothing of what they mean.
//
// Threads: not thread-safe; the loop thread owns it.
// Blocking: Append blocks until the events are on stable storage; Replay reads all of them.
// Errors: ResourceExhausted when the disk is full (nothing was kept, try again later), DataLoss for
// a damaged journal. A failed fsync ends the process: what the disk then holds is unknown until it
// is read again.
class Journal {
 public:
  virtual ~Journal() = default;

  // One transaction: all of the events or none.
  virtual absl::Status Append(absl::Span<const v1::JournalEvent> events) = 0;

  // Calls `visit` for each event, oldest first, and stops at its first error.
  virtual absl::Status Replay(
      const std::function<absl::Status(const v1::JournalEvent&)>& visit) = 0;

  // Makes this process the writer under a number greater than any before, and returns the number.
  virtual absl::StatusOr<int64_t> NextEpoch() = 0;
};

}  // namespace rally::store

#endif  // RALLY_CONTROLLER_STORE_JOURNAL_H_
