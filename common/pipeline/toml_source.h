#ifndef RALLY_COMMON_PIPELINE_TOML_SOURCE_H_
#define RALLY_COMMON_PIPELINE_TOML_SOURCE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic_list.h"

namespace rally::pipeline {

// The text of a rally.toml, checked and laid out so that the TOML library can be let loose on it,
// and the way back from the library's positions to the writer's.
//
// The library recurses for each nesting level and scans the whole line for each value, so brackets
// and dotted keys are bounded here, and long lines are broken behind a comma of an array. It
// doesn't decide whether the text is TOML, except for bytes that TOML never allows.
class TomlSource {
 public:
  // Brackets inside each other, and parts of one dotted key. The language needs four.
  static constexpr int kMaxNesting = 8;

  // Reports one error and gives nothing when the text must not reach the library.
  static std::optional<TomlSource> Prepare(absl::string_view text, DiagnosticList* diagnostics);

  // What the library is to parse.
  const std::string& prepared() const { return prepared_; }

  // Where a byte of prepared() is in the writer's text.
  Position PositionOf(size_t prepared_offset) const;

  // The byte of prepared() at a line and column of prepared(), cut to its end.
  size_t OffsetOf(Position prepared_position) const;

  // A line of prepared(), without its end; "" when there is none.
  absl::string_view PreparedLine(int line) const;

 private:
  std::string prepared_;
  std::vector<size_t> prepared_line_starts_;
  std::vector<size_t> line_starts_;  // Of the writer's text, without a byte order mark.
  std::vector<size_t>
      insertions_;  // Offsets in prepared_ of newlines that the writer didn't write.
};

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_TOML_SOURCE_H_
