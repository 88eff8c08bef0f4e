#ifndef RALLY_RALLYCTL_RENDER_PROGRESS_JSON_H_
#define RALLY_RALLYCTL_RENDER_PROGRESS_JSON_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rally/v1/build.pb.h"

// The events of --progress=json: an object on one line each, with "time" and "event". Bytes that
// aren't UTF-8 become U+FFFD.
namespace rally::rallyctl {

std::string BuildEvent(const v1::Build& build, absl::Time now);
std::string StepEvent(const v1::Step& step, absl::Time now);
std::string LogEvent(absl::string_view step, int attempt, v1::LogStream stream,
                     absl::string_view line, absl::Time now);
// state: "lost" or "restored".
std::string ConnectionEvent(absl::string_view state, absl::string_view message, absl::Time now);
// How far the context is. `known_bytes` are those that the controller has already; negative while
// that isn't known yet.
struct ContextProgress {
  absl::string_view phase;  // "reading", "uploading", "ready"
  int64_t files = 0;
  int64_t bytes = 0;
  int64_t known_bytes = -1;
  int64_t missing_bytes = 0;
  int64_t uploaded_bytes = 0;
};
std::string ContextEvent(const ContextProgress& progress, absl::Time now);
std::string FetchEvent(int64_t fetched_bytes, int64_t total_bytes, absl::Time now);
// Anything else that is said.
std::string MessageEvent(absl::string_view message, absl::Time now);

// One record of `logs -o json`.
std::string LogRecordJson(absl::string_view step, int attempt, const v1::LogRecord& record);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_RENDER_PROGRESS_JSON_H_
