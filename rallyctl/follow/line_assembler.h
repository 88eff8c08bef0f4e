#ifndef RALLY_RALLYCTL_FOLLOW_LINE_ASSEMBLER_H_
#define RALLY_RALLYCTL_FOLLOW_LINE_ASSEMBLER_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rally/v1/build.pb.h"

namespace rally::rallyctl {

struct LogLine {
  v1::LogStream stream = v1::LOG_STREAM_UNSPECIFIED;
  std::string text;  // Without the newline.
};

// Lines of one attempt's log, from records that may begin and end in the middle of one. Of a line
// that overwrote itself by carriage returns (a progress bar) what stood last is kept. A line
// longer than the bound is given in pieces.
// Threads: not thread-safe. Bounds: one unfinished line a stream.
class LineAssembler {
 public:
  static constexpr size_t kMaxLineBytes = 64 * 1024;

  // The lines that the record completes.
  std::vector<LogLine> Add(const v1::LogRecord& record);
  // What has no newline at the log's end.
  std::vector<LogLine> Finish();

 private:
  std::string& Unfinished(v1::LogStream stream);

  std::string stdout_;
  std::string stderr_;
};

// The text without what would move a terminal's cursor or change its state: of escape sequences
// only those for colours stay, of control characters only the tab.
std::string SafeForTerminal(absl::string_view text);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_FOLLOW_LINE_ASSEMBLER_H_
