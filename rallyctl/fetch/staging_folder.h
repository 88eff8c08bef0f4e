#ifndef RALLY_RALLYCTL_FETCH_STAGING_FOLDER_H_
#define RALLY_RALLYCTL_FETCH_STAGING_FOLDER_H_

#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "rallyctl/interrupts.h"

namespace rally::rallyctl {

// Where a download lies until it is whole: a name in the folder that it is for, which goes with
// its owner, and with Ctrl-C if that ends the process. So what is incomplete is never taken for
// the result, and never stays.
//
// Ownership: the folder's descriptor outlives it. Threads: thread-safe. Blocking: the destructor,
// on the disk. Errors: none.
class StagingFolder {
 public:
  // `shown` is the folder's path, for messages.
  StagingFolder(int folder, std::string shown, bool ends_on_interrupt);
  ~StagingFolder();
  StagingFolder(const StagingFolder&) = delete;
  StagingFolder& operator=(const StagingFolder&) = delete;

  const std::string& name() const { return name_; }

  // From now on Ctrl-C waits for the end: what is half moved would be worse.
  void BeginInstall() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void OnInterrupt() ABSL_LOCKS_EXCLUDED(mutex_);

  const int folder_;
  const std::string shown_;
  const std::string name_;
  absl::Mutex mutex_;
  bool installing_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Interrupts> interrupts_;
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FETCH_STAGING_FOLDER_H_
