#ifndef RALLY_RALLYCTL_SUBMISSION_INTERRUPTS_H_
#define RALLY_RALLYCTL_SUBMISSION_INTERRUPTS_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rallyctl/follow/build_follower.h"
#include "rallyctl/interrupts.h"

namespace rally::rallyctl {

// What Ctrl-C means from the first look at the context until the build has been shown. Before the
// controller is asked there is no build, and the process ends. While its answer is awaited nobody
// knows, so the first waits for it and the second ends the process. Then there is a build, which
// Ctrl-C leaves.
//
// Ownership: the follower outlives its being set here. Threads: thread-safe. Blocking: never.
class SubmissionInterrupts {
 public:
  SubmissionInterrupts();

  // The call that may make a build begins.
  void BeginCall();
  // It ended, and there is no build. Ends the process when there was a Ctrl-C.
  void EndWithoutBuild();
  // It ended, and there is a build.
  void EndWithBuild();

  // Null once it is gone. It's interrupted by what came before, too.
  void SetFollower(BuildFollower* follower);
  // Whether there was one since the call began.
  bool interrupted() const;

 private:
  enum class Phase { kNoBuild, kAsking, kBuild };

  void OnInterrupt();

  mutable absl::Mutex mutex_;
  Phase phase_ ABSL_GUARDED_BY(mutex_) = Phase::kNoBuild;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  BuildFollower* follower_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Interrupts interrupts_;  // Last, as it calls on the others.
};

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_SUBMISSION_INTERRUPTS_H_
