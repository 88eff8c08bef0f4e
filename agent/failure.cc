#include "agent/failure.h"

namespace rally::agent {

v1::RejectCause CauseOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:            // No such image.
    case absl::StatusCode::kDataLoss:            // Not what its digest says.
    case absl::StatusCode::kFailedPrecondition:  // Nothing that can be run.
    case absl::StatusCode::kPermissionDenied:    // The registry wants credentials.
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return v1::REJECT_CAUSE_PERMANENT;
    default:  // A full disk, a daemon or a registry that doesn't answer, a failing runc.
      return v1::REJECT_CAUSE_HERE;
  }
}

bool OtherHostMayMount(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:  // The tree itself is impossible.
      return false;
    default:
      return true;
  }
}

bool OtherHostMayCapture(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:    // A name that can't be stored.
    case absl::StatusCode::kResourceExhausted:  // More than a tree may have.
    case absl::StatusCode::kDeadlineExceeded:
      return false;
    default:
      return true;
  }
}

bool IsTransient(const absl::Status& status) { return absl::IsUnavailable(status); }

}  // namespace rally::agent
