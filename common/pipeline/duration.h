#ifndef RALLY_COMMON_PIPELINE_DURATION_H_
#define RALLY_COMMON_PIPELINE_DURATION_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rally::pipeline {

// Reads what Go's time.ParseDuration reads, to the same nanosecond: "300ms", "-1.5h", "2h45m", "0".
// Negative durations are durations; whether they make sense is for the caller to say. Errors are
// InvalidArgument, and their text is made to follow the quoted text:
// `timeout "60": ` + `missing unit in duration (write "60s")`.
absl::StatusOr<absl::Duration> ParseGoDuration(absl::string_view text);

// Writes what Go's Duration.String writes: "2h0m0s", "1.5s", "250ms", "0s". Parts below a
// nanosecond are dropped, and what is beyond Go's range (292 years) becomes the end of that range.
std::string FormatGoDuration(absl::Duration duration);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_DURATION_H_
