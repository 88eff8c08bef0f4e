#ifndef RALLY_RALLYCTL_EXIT_STATUS_H_
#define RALLY_RALLYCTL_EXIT_STATUS_H_

#include "absl/status/status.h"
#include "rally/v1/build.pb.h"

namespace rally::rallyctl {

// What the process returns; scripts rely on the numbers.
enum class ExitStatus {
  kSuccess = 0,
  kBuildFailed = 1,
  kUsage = 2,        // wrong arguments, an invalid pipeline, something that doesn't exist
  kServer = 3,       // the controller can't be reached, or something inside failed
  kTimedOut = 124,   // the build's total time was up
  kCancelled = 130,  // the build was cancelled, or Ctrl-C left it
};

// Of a build that has ended.
ExitStatus ExitStatusOf(v1::BuildStatus status);
// Of a command that failed.
ExitStatus ExitStatusOf(const absl::Status& error);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_EXIT_STATUS_H_
