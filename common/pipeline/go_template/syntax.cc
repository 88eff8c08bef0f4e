#include "common/pipeline/go_template/syntax.h"

namespace rally::go_template {

std::string Tree::Excerpt(size_t begin, size_t end) const {
  constexpr size_t kMaxBytes = 60;
  std::string line;
  for (const char c : text_.substr(begin, end - begin)) {
    // Cut only between characters: the bytes of one that has begun still follow.
    const bool begins_character = (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    if (line.size() >= kMaxBytes && begins_character) return line + "...";
    line.push_back(c == '\n' || c == '\r' || c == '\t' ? ' ' : c);
  }
  return line;
}

}  // namespace rally::go_template
