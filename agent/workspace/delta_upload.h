#ifndef RALLY_AGENT_WORKSPACE_DELTA_UPLOAD_H_
#define RALLY_AGENT_WORKSPACE_DELTA_UPLOAD_H_

#include <cstdint>
#include <thread>

#include "absl/status/statusor.h"
#include "agent/workspace/delta_capture.h"
#include "agent/workspace/upper_walk.h"
#include "common/blob/blob_store.h"

namespace rally::workspace {

// Uploads a delta: of its files what the store lacks, from the start, in a thread of its own, while
// the caller makes its directories; these only after all files, so that a directory that is there
// has its files. All of them, unasked: they differ from those of the input tree, so that the store
// has hardly one. Ownership: all that it is given must outlive it, and `upper` stay open. Threads:
// used by one thread. Blocking: Finish, and the destructor, until the files are sent. Errors: the
// store's.
class DeltaUpload {
 public:
  DeltaUpload(int upper, const CapturedFiles& files, blob::BlobStore& store);
  ~DeltaUpload();
  DeltaUpload(const DeltaUpload&) = delete;
  DeltaUpload& operator=(const DeltaUpload&) = delete;

  using Directories = decltype(CapturedDelta::directories);

  // Call at most once. Returns the bytes of the blobs that were uploaded.
  absl::StatusOr<int64_t> Finish(const Directories& directories);

 private:
  absl::Status WaitForFiles();

  blob::BlobStore& store_;
  absl::StatusOr<int64_t> uploaded_bytes_ = 0;  // The thread's until it has ended.
  std::thread files_thread_;
};

}  // namespace rally::workspace

#endif  // RALLY_AGENT_WORKSPACE_DELTA_UPLOAD_H_
