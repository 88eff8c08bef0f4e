#include "rallyctl/render/status_words.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rally::rallyctl {

bool HasEnded(v1::BuildStatus status) {
  return status == v1::BUILD_STATUS_SUCCEEDED || status == v1::BUILD_STATUS_FAILED ||
         status == v1::BUILD_STATUS_TIMED_OUT || status == v1::BUILD_STATUS_CANCELLED;
}

bool HasEnded(v1::StepStatus status) {
  return IsBad(status) || status == v1::STEP_STATUS_SUCCEEDED ||
         status == v1::STEP_STATUS_SKIPPED || status == v1::STEP_STATUS_CANCELLED;
}

bool IsBad(v1::StepStatus status) {
  return status == v1::STEP_STATUS_FAILED || status == v1::STEP_STATUS_TIMED_OUT ||
         status == v1::STEP_STATUS_ERRORED;
}

// A newer controller may know states that this program doesn't: the switches have an answer for
// every number.
absl::string_view Word(v1::BuildStatus status) {
  switch (status) {
    case v1::BUILD_STATUS_RUNNING:
      return "running";
    case v1::BUILD_STATUS_CANCELLING:
      return "cancelling";
    case v1::BUILD_STATUS_SUCCEEDED:
      return "succeeded";
    case v1::BUILD_STATUS_FAILED:
      return "failed";
    case v1::BUILD_STATUS_TIMED_OUT:
      return "timed-out";
    case v1::BUILD_STATUS_CANCELLED:
      return "cancelled";
    default:
      return "unknown";
  }
}

absl::string_view Word(v1::StepStatus status) {
  switch (status) {
    case v1::STEP_STATUS_WAITING:
      return "waiting";
    case v1::STEP_STATUS_READY:
      return "ready";
    case v1::STEP_STATUS_ASSIGNED:
      return "preparing";
    case v1::STEP_STATUS_RUNNING:
      return "running";
    case v1::STEP_STATUS_SUCCEEDED:
      return "succeeded";
    case v1::STEP_STATUS_FAILED:
      return "failed";
    case v1::STEP_STATUS_TIMED_OUT:
      return "timed-out";
    case v1::STEP_STATUS_ERRORED:
      return "errored";
    case v1::STEP_STATUS_SKIPPED:
      return "skipped";
    case v1::STEP_STATUS_CANCELLED:
      return "cancelled";
    default:
      return "unknown";
  }
}

std::string HandledBy(const v1::Step& step) {
  if (step.handled_by_size() == 0) return "";
  constexpr int kMaxNamed = 3;
  const int named = std::min(kMaxNamed, step.handled_by_size());
  std::string text = absl::StrCat(
      "handled by ",
      absl::StrJoin(step.handled_by().begin(), step.handled_by().begin() + named, ", "));
  if (named < step.handled_by_size()) {
    absl::StrAppend(&text, " and ", step.handled_by_size() - named, " more");
  }
  return text;
}

std::string StatusAndHandlers(const v1::Step& step) {
  const std::string handlers = HandledBy(step);
  return absl::StrCat(Word(step.status()), handlers.empty() ? "" : ", ", handlers);
}

Colour ColourOf(v1::BuildStatus status) {
  switch (status) {
    case v1::BUILD_STATUS_SUCCEEDED:
      return Colour::kGreen;
    case v1::BUILD_STATUS_FAILED:
    case v1::BUILD_STATUS_TIMED_OUT:
      return Colour::kRed;
    case v1::BUILD_STATUS_CANCELLING:
    case v1::BUILD_STATUS_CANCELLED:
      return Colour::kYellow;
    case v1::BUILD_STATUS_RUNNING:
      return Colour::kCyan;
    default:
      return Colour::kNone;
  }
}

Colour ColourOf(v1::StepStatus status) {
  if (IsBad(status)) return Colour::kRed;
  switch (status) {
    case v1::STEP_STATUS_SUCCEEDED:
      return Colour::kGreen;
    case v1::STEP_STATUS_ASSIGNED:
    case v1::STEP_STATUS_RUNNING:
      return Colour::kCyan;
    case v1::STEP_STATUS_CANCELLED:
      return Colour::kYellow;
    default:
      return Colour::kDim;
  }
}

}  // namespace rally::rallyctl
