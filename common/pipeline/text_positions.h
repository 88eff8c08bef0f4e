#ifndef RALLY_COMMON_PIPELINE_TEXT_POSITIONS_H_
#define RALLY_COMMON_PIPELINE_TEXT_POSITIONS_H_

#include <cstddef>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic_list.h"

namespace rally::pipeline {

// The way between the three ways to name a place in a text: its byte, its line and byte in the
// line, its line and character in the line. Any bytes may be given; a byte that isn't part of a
// UTF-8 character counts as one.
//
// Ownership: the text must outlive it. Costs: one pass over the text, then at most O(log) a
// question.
class TextPositions {
 public:
  explicit TextPositions(absl::string_view text);

  // Of a byte. A byte behind the text is its end.
  Position OfByte(size_t offset) const;

  // The byte of the `character`th character, from 1, of a line; cut to the text's end.
  size_t ByteOfCharacter(int line, int character) const;

  // The same as a position: of what the question says already, only the column is computed.
  Position OfCharacter(int line, int character) const;

  // A line without its end; "" when there is none.
  absl::string_view Line(int line) const;

 private:
  absl::string_view text_;
  std::vector<size_t> line_starts_;
  // The byte of every kStride-th character of the text, and how many characters lie before each
  // line. Both empty for a text that is all ASCII.
  std::vector<size_t> character_marks_;
  std::vector<size_t> characters_before_line_;
};

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_TEXT_POSITIONS_H_
