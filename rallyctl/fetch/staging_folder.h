#ifndef RALLY_RALLYCTL_FETCH_STAGING_FOLDER_H_
#define RALLY_RALLYCTL_FETCH_STAGING_FOLDER_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/file_descriptor.h"
#include "rallyctl/interrupts.h"

namespace rally::rallyctl {

// Where a download lies until it is whole: a folder in the one that it is for, which goes with
// its owner, and with Ctrl-C if that ends the process. So what is incomplete is never taken for
// the result. It is locked (flock) while it is in use; what a killed process left has lost its
// lock, and the next one that is made in the same place removes it.
//
// Ownership: the target's descriptor outlives it. Threads: thread-safe. Blocking: Make and the
// destructor, on the disk. Errors: those of the disk.
class StagingFolder {
 public:
  // `shown` is the target's path, for messages.
  static absl::StatusOr<std::unique_ptr<StagingFolder>> Make(int target, const std::string& shown,
                                                             bool ends_on_interrupt);
  ~StagingFolder();
  StagingFolder(const StagingFolder&) = delete;
  StagingFolder& operator=(const StagingFolder&) = delete;

  // The folder, empty at first, on the target's file system.
  int fd() const { return folder_.get(); }

  // From now on Ctrl-C waits for the end: what is half moved would be worse.
  void BeginInstall() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  StagingFolder(int target, const std::string& shown, bool ends_on_interrupt);

  // Aborted when somebody took it for one that was left.
  absl::Status Create();
  void OnInterrupt() ABSL_LOCKS_EXCLUDED(mutex_);

  const int target_;
  const std::string shown_;
  const std::string name_;
  FileDescriptor folder_;  // Holds the lock.
  absl::Mutex mutex_;
  bool installing_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Interrupts> interrupts_;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FETCH_STAGING_FOLDER_H_
