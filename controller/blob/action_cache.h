#ifndef RALLY_CONTROLLER_BLOB_ACTION_CACHE_H_
#define RALLY_CONTROLLER_BLOB_ACTION_CACHE_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "build/bazel/remote/execution/v2/remote_execution.pb.h"
#include "common/blob/digest.h"
#include "controller/blob/action_cache_store.h"
#include "controller/blob/disk_store.h"

namespace rally::cas {

// What actions resulted in, for each instance its own. A result is taken and handed out only while
// the store has every blob that it refers to, also through trees. It asks nobody who he is: that
// clients don't write the results of steps is the service's part.
//
// Ownership: the stores must outlive it. Threads: thread-safe. Blocking: on the disk.
class ActionCache {
 public:
  // So that clients with gRPC's default limit can receive it.
  static constexpr size_t kMaxResultBytes = 3 * 1024 * 1024;

  // Whether the instance is kept for the results of steps, which no client may write. Nothing in
  // the controller writes such yet.
  static bool IsForStepResults(absl::string_view instance);

  ActionCache(ActionCacheStore* results, DiskStore* blobs) : results_(results), blobs_(blobs) {}

  // NotFound if there is none, or one that is not complete.
  absl::StatusOr<build::bazel::remote::execution::v2::ActionResult> Get(absl::string_view instance,
                                                                        const blob::Digest& action);

  // FailedPrecondition, naming some, when blobs are missing: the action and its command, or what
  // the result refers to. InvalidArgument for what is malformed or too large, and for actions that
  // say not to be cached. Contents that the result carries within itself become blobs.
  absl::Status Put(absl::string_view instance, const blob::Digest& action,
                   build::bazel::remote::execution::v2::ActionResult result);

 private:
  absl::Status CheckAction(const blob::Digest& action);
  // Makes blobs of the contents within the result.
  absl::Status MoveOut(build::bazel::remote::execution::v2::ActionResult* result);

  ActionCacheStore* const results_;
  DiskStore* const blobs_;
};

}  // namespace rally::cas

#endif  // RALLY_CONTROLLER_BLOB_ACTION_CACHE_H_
