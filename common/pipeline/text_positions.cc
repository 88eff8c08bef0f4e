#include "common/pipeline/text_positions.h"

#include <algorithm>

#include "common/pipeline/utf8.h"

namespace rally::pipeline {
namespace {

constexpr size_t kStride = 64;

bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }

}  // namespace

TextPositions::TextPositions(absl::string_view text) : text_(text), line_starts_{0} {
  const bool ascii = std::all_of(text.begin(), text.end(), IsAscii);
  if (!ascii) characters_before_line_.push_back(0);
  size_t characters = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!ascii && !IsUtf8Continuation(text[i])) {
      if (characters % kStride == 0) character_marks_.push_back(i);
      ++characters;
    }
    if (text[i] != '\n') continue;
    line_starts_.push_back(i + 1);
    if (!ascii) characters_before_line_.push_back(characters);
  }
}

Position TextPositions::OfByte(size_t offset) const {
  offset = std::min(offset, text_.size());
  const auto next = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
  return {static_cast<int>(next - line_starts_.begin()),
          static_cast<int>(offset - *(next - 1)) + 1};
}

size_t TextPositions::ByteOfCharacter(int line, int character) const {
  if (line < 1 || static_cast<size_t>(line) > line_starts_.size()) return text_.size();
  const size_t index = static_cast<size_t>(line) - 1;
  const size_t in_line = static_cast<size_t>(std::max(character, 1)) - 1;
  if (character_marks_.empty()) return std::min(line_starts_[index] + in_line, text_.size());
  size_t wanted = characters_before_line_[index] + in_line;
  if (wanted / kStride >= character_marks_.size()) return text_.size();
  size_t at = character_marks_[wanted / kStride];
  for (wanted %= kStride; wanted > 0 && at < text_.size(); --wanted) {
    ++at;
    while (at < text_.size() && IsUtf8Continuation(text_[at])) ++at;
  }
  return at;
}

Position TextPositions::OfCharacter(int line, int character) const {
  const size_t byte = ByteOfCharacter(line, character);
  const size_t next = static_cast<size_t>(std::max(line, 0));
  // What lies behind the line's end belongs to another line.
  if (next == 0 || next >= line_starts_.size() || byte >= line_starts_[next]) return OfByte(byte);
  return {line, static_cast<int>(byte - line_starts_[next - 1]) + 1};
}

absl::string_view TextPositions::Line(int line) const {
  if (line < 1 || static_cast<size_t>(line) > line_starts_.size()) return "";
  const absl::string_view rest = text_.substr(line_starts_[static_cast<size_t>(line) - 1]);
  return rest.substr(0, rest.find('\n'));
}

}  // namespace rally::pipeline
