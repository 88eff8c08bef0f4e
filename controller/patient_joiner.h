#ifndef RALLY_CONTROLLER_PATIENT_JOINER_H_
#define RALLY_CONTROLLER_PATIENT_JOINER_H_

#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "common/blob/blob_store.h"
#include "common/blob/directory_reader.h"
#include "controller/core/command.h"
#include "controller/core/event.h"

namespace rally::controller {

// Joins trees, durably, and waits for a store that can't be reached, however long that takes: the
// steps did their part.
//
// Ownership: what it is given must outlive it.
// Threads: thread-safe. Blocking: Join, on the blob store, until Stop.
class PatientJoiner {
 public:
  // `sync` makes what was stored durable.
  PatientJoiner(blob::DirectoryReader* reader, blob::BlobStore* store,
                std::function<absl::Status()> sync);
  PatientJoiner(const PatientJoiner&) = delete;
  PatientJoiner& operator=(const PatientJoiner&) = delete;

  // What went wrong for good is in the event. Nothing: it was stopped before that was known.
  std::optional<core::TreeJoined> Join(const core::JoinTrees& command);

  // Once. Joins under way end as soon as their calls do.
  void Stop() { stopping_.Notify(); }

 private:
  blob::DirectoryReader* const reader_;
  blob::BlobStore* const store_;
  const std::function<absl::Status()> sync_;
  absl::Notification stopping_;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_PATIENT_JOINER_H_
