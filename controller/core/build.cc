#include "controller/core/build.h"

namespace rally::core {

bool IsTerminal(StepStatus status) {
  switch (status) {
    case StepStatus::kWaiting:
    case StepStatus::kReady:
    case StepStatus::kAssigned:
    case StepStatus::kRunning:
      return false;
    case StepStatus::kSucceeded:
    case StepStatus::kFailed:
    case StepStatus::kTimedOut:
    case StepStatus::kErrored:
    case StepStatus::kSkipped:
    case StepStatus::kCancelled:
      return true;
  }
  return true;
}

const char* ToString(StepStatus status) {
  switch (status) {
    case StepStatus::kWaiting:
      return "waiting";
    case StepStatus::kReady:
      return "ready";
    case StepStatus::kAssigned:
      return "assigned";
    case StepStatus::kRunning:
      return "running";
    case StepStatus::kSucceeded:
      return "succeeded";
    case StepStatus::kFailed:
      return "failed";
    case StepStatus::kTimedOut:
      return "timed-out";
    case StepStatus::kErrored:
      return "errored";
    case StepStatus::kSkipped:
      return "skipped";
    case StepStatus::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

bool IsTerminal(BuildStatus status) {
  switch (status) {
    case BuildStatus::kRunning:
    case BuildStatus::kCancelling:
      return false;
    case BuildStatus::kSucceeded:
    case BuildStatus::kFailed:
    case BuildStatus::kTimedOut:
    case BuildStatus::kCancelled:
      return true;
  }
  return true;
}

const char* ToString(BuildStatus status) {
  switch (status) {
    case BuildStatus::kRunning:
      return "running";
    case BuildStatus::kCancelling:
      return "cancelling";
    case BuildStatus::kSucceeded:
      return "succeeded";
    case BuildStatus::kFailed:
      return "failed";
    case BuildStatus::kTimedOut:
      return "timed-out";
    case BuildStatus::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

}  // namespace rally::core
