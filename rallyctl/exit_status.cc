#include "rallyctl/exit_status.h"

namespace rally::rallyctl {

ExitStatus ExitStatusOf(v1::BuildStatus status) {
  switch (status) {
    case v1::BUILD_STATUS_SUCCEEDED:
      return ExitStatus::kSuccess;
    case v1::BUILD_STATUS_FAILED:
      return ExitStatus::kBuildFailed;
    case v1::BUILD_STATUS_TIMED_OUT:
      return ExitStatus::kTimedOut;
    case v1::BUILD_STATUS_CANCELLED:
      return ExitStatus::kCancelled;
    default:
      return ExitStatus::kServer;
  }
}

ExitStatus ExitStatusOf(const absl::Status& error) {
  switch (error.code()) {
    case absl::StatusCode::kOk:
      return ExitStatus::kSuccess;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return ExitStatus::kUsage;
    case absl::StatusCode::kCancelled:
      return ExitStatus::kCancelled;
    default:
      return ExitStatus::kServer;
  }
}

}  // namespace rally::rallyctl
