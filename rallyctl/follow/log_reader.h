#ifndef RALLY_RALLYCTL_FOLLOW_LOG_READER_H_
#define RALLY_RALLYCTL_FOLLOW_LOG_READER_H_

#include <functional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "rally/v1/build.pb.h"
#include "rallyctl/connection.h"

namespace rally::rallyctl {

// Reads one step's log to its end: what there is now, or with `follow` until it is complete. Goes
// on at the same byte after a lost connection, for some minutes; `on_wait` is told of that.
// Blocking: until then, and while `on_record` is.
absl::Status ReadLog(Connection& connection, v1::ReadLogRequest request,
                     const std::function<void(const std::string&)>& on_wait,
                     absl::FunctionRef<void(int attempt, const v1::LogRecord&)> on_record);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FOLLOW_LOG_READER_H_
