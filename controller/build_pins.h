#ifndef RALLY_CONTROLLER_BUILD_PINS_H_
#define RALLY_CONTROLLER_BUILD_PINS_H_

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/blob/digest.h"
#include "controller/blob/blob_key.h"
#include "controller/blob/directory_outlines.h"
#include "controller/blob/pinned_trees.h"

namespace rally::controller {

// Keeps in the store whatever live builds may need: it is told which trees a build has come to
// need, reads them once, pins all their blobs, and unpins them some time after the build's end. It
// decides nothing about builds, and doesn't outlive the process: after a restart it is told again.
//
// Ownership: everything in Parts must outlive it.
// Threads: thread-safe; a thread of its own reads trees and calls what is in Parts.
// Blocking: nothing but the destructor and AwaitIdle. What waits is bounded by the steps of live
//   builds.
// Errors: a directory that can't be read is logged, pinned without its children, and tried again
//   from time to time.
class BuildPins {
 public:
  struct Parts {
    cas::DirectoryOutlines* directories;
    std::function<void(absl::Span<const cas::BlobKey>)> pin;
    std::function<void(absl::Span<const cas::BlobKey>)> unpin;
    // Called once, when all that was needed before Restored is pinned.
    std::function<void()> on_restored;
    // Where pins don't hold: asks for blobs, which makes them stay, and says which are gone. Called
    // with all that is pinned, in parts, every `touch_interval`.
    std::function<absl::StatusOr<std::vector<blob::Digest>>(absl::Span<const blob::Digest>)> touch;
    absl::Duration touch_interval = absl::InfiniteDuration();
    // How long the trees of a build stay after its end.
    absl::Duration keep_after_end = absl::Minutes(10);
    // For tests; it must not go back. Empty: the boot clock.
    std::function<absl::Duration()> clock;
  };

  explicit BuildPins(Parts parts);
  ~BuildPins();
  BuildPins(const BuildPins&) = delete;
  BuildPins& operator=(const BuildPins&) = delete;

  void Needs(const std::string& build_id, const blob::Digest& tree);
  // The build ended so long ago. It needs nothing new from now on.
  void Ended(const std::string& build_id, absl::Duration ago = absl::ZeroDuration());
  // All builds from before the restart were told.
  void Restored();

  // Waits until all of the above that was called before has been done, and what is due by now.
  void AwaitIdle() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct NeedsItem {
    std::string build_id;
    cas::BlobKey tree;
  };
  struct EndedItem {
    std::string build_id;
    absl::Duration release_at;
  };
  struct RestoredItem {};
  struct WakeItem {};
  using Item = std::variant<NeedsItem, EndedItem, RestoredItem, WakeItem>;

  void Post(Item item) ABSL_LOCKS_EXCLUDED(mutex_);
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  bool IsStopping() ABSL_LOCKS_EXCLUDED(mutex_);
  void Handle(const Item& item);
  void Add(const std::string& build_id, const cas::BlobKey& tree);
  void ReleaseDue();
  void RetryUnread();
  void TouchAll();
  cas::PinnedTrees::Directories Walk(std::vector<cas::BlobKey> todo);
  absl::Duration NextDue() const;

  const Parts parts_;

  // The own thread's.
  cas::PinnedTrees trees_;
  std::map<std::string, std::set<cas::BlobKey>> trees_of_builds_;
  std::map<std::string, absl::Duration> release_at_;
  absl::Duration retry_at_ = absl::InfiniteDuration();
  absl::Duration touch_at_;

  absl::Mutex mutex_;
  std::deque<Item> queue_ ABSL_GUARDED_BY(mutex_);
  int64_t posted_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t handled_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace rally::controller

#endif  // RALLY_CONTROLLER_BUILD_PINS_H_
