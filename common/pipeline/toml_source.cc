#include "common/pipeline/toml_source.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace rally::pipeline {
namespace {

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";
// Lines shorter than this are left alone: the library's scans don't matter there.
constexpr size_t kLongLineBytes = 128;
// Bound of (separators in a line) x (bytes of the line), summed over the lines; each separator
// costs the library several scans of its line. 2^27 is about a second.
constexpr uint64_t kMaxScannedBytes = uint64_t{1} << 27;
constexpr absl::string_view kTooManyOnLongLines =
    "too many values on long lines; put each [[step]] on lines of its own";

// The length of the UTF-8 sequence at the front of `text`, or 0 when it isn't one.
size_t Utf8Length(absl::string_view text) {
  const auto byte = [&text](size_t i) -> unsigned char {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto continues = [&byte](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if ((lead & 0xF0) == 0xE0) {
    if (!continues(1) || !continues(2)) return 0;
    const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) > 0x9F;
    return overlong || surrogate ? 0 : 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    const bool overlong = lead == 0xF0 && byte(1) < 0x90;
    const bool too_big = lead == 0xF4 && byte(1) > 0x8F;
    return overlong || too_big ? 0 : 4;
  }
  return 0;
}

struct BadByte {
  size_t offset;
  std::string message;
};

// TOML allows no control character but tab and the line ends, not even in comments.
std::optional<BadByte> FindBadByte(absl::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool line_end =
        byte == '\n' || (byte == '\r' && i + 1 < text.size() && text[i + 1] == '\n');
    if ((byte < 0x20 && byte != '\t' && !line_end) || byte == 0x7F) {
      return BadByte{i, absl::StrCat("control character U+00", absl::Hex(byte, absl::kZeroPad2))};
    }
    const size_t length = Utf8Length(text.substr(i));
    if (length == 0) return BadByte{i, "the file is not valid UTF-8 here"};
    i += length;
  }
  return std::nullopt;
}

// Follows strings, comments and brackets, and nothing else, through text that may not be TOML.
class BracketScanner {
 public:
  explicit BracketScanner(absl::string_view text) : text_(text) {}

  // Copies the text, with breaks; false with a message when a bound is exceeded at position().
  bool Scan(std::string* prepared, std::vector<size_t>* insertions, std::string* message) {
    prepared->reserve(text_.size() + text_.size() / kLongLineBytes + 1);
    while (at_ < text_.size()) {
      const size_t begin = at_;
      const char c = text_[at_];
      bool may_break = false;
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '"' || c == '\'') {
        SkipString(c);
      } else {
        ++at_;
        if (c == '[' || c == '{') open_.push_back(c);
        if ((c == ']' || c == '}') && !open_.empty()) open_.pop_back();
        if (c == '.') ++dots_;
        // A key lies between two of these.
        if (c != '.' && absl::StrContains("=,[]{}\n", c)) dots_ = 0;
        if (c == ',' || c == '=' || c == '.') ++separators_;
        may_break = c == ',' && !open_.empty() && open_.back() == '[';
      }
      if (open_.size() > TomlSource::kMaxNesting || dots_ > TomlSource::kMaxNesting) {
        *message = absl::StrCat("nested more than ", TomlSource::kMaxNesting, " deep");
        at_ = begin;
        return false;
      }
      prepared->append(text_.data() + begin, at_ - begin);
      if (may_break && prepared->size() - line_begin_ >= kLongLineBytes) {
        insertions->push_back(prepared->size());
        prepared->push_back('\n');
      }
      if (!prepared->empty() && prepared->back() == '\n' && !EndLine(prepared->size())) {
        *message = std::string(kTooManyOnLongLines);
        at_ = begin;
        return false;
      }
    }
    if (!EndLine(prepared->size())) {
      *message = std::string(kTooManyOnLongLines);
      return false;
    }
    return true;
  }

  size_t position() const { return at_; }

 private:
  void SkipString(char quote) {
    const std::string triple(3, quote);
    const bool multi_line = absl::StartsWith(text_.substr(at_), triple);
    at_ += multi_line ? 3 : 1;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\\' && quote == '"') {
        at_ = std::min(at_ + 2, text_.size());
      } else if (c == '\n' && !multi_line) {
        return;  // Unterminated: an error, which the library words better.
      } else if (c == quote && (!multi_line || absl::StartsWith(text_.substr(at_), triple))) {
        at_ += multi_line ? 3 : 1;
        // """a"""" ends in a quote of its own; two at most.
        for (int i = 0; multi_line && i < 2 && at_ < text_.size() && text_[at_] == quote; ++i) {
          ++at_;
        }
        return;
      } else {
        ++at_;
      }
    }
  }

  bool EndLine(size_t prepared_size) {
    const uint64_t length = prepared_size - line_begin_;
    if (length >= kLongLineBytes) scanned_ += separators_ * length;
    line_begin_ = prepared_size;
    separators_ = 0;
    return scanned_ <= kMaxScannedBytes;
  }

  absl::string_view text_;
  size_t at_ = 0;
  std::string open_;  // The brackets that are open, as a stack.
  int dots_ = 0;
  uint64_t separators_ = 0;
  uint64_t scanned_ = 0;
  size_t line_begin_ = 0;  // In the prepared text.
};

std::vector<size_t> LineStarts(absl::string_view text) {
  std::vector<size_t> starts = {0};
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') starts.push_back(i + 1);
  }
  return starts;
}

Position PositionIn(const std::vector<size_t>& line_starts, size_t offset) {
  const auto next = std::upper_bound(line_starts.begin(), line_starts.end(), offset);
  const size_t start = *(next - 1);
  return {static_cast<int>(next - line_starts.begin()), static_cast<int>(offset - start) + 1};
}

}  // namespace

std::optional<TomlSource> TomlSource::Prepare(absl::string_view text, DiagnosticList* diagnostics) {
  text = absl::StripPrefix(text, kByteOrderMark);
  TomlSource source;
  source.line_starts_ = LineStarts(text);
  if (const std::optional<BadByte> bad = FindBadByte(text)) {
    diagnostics->Error(PositionIn(source.line_starts_, bad->offset),
                       absl::StrCat("TOML syntax: ", bad->message));
    return std::nullopt;
  }
  BracketScanner scanner(text);
  std::string message;
  if (!scanner.Scan(&source.prepared_, &source.insertions_, &message)) {
    diagnostics->Error(PositionIn(source.line_starts_, scanner.position()),
                       absl::StrCat("TOML syntax: ", message));
    return std::nullopt;
  }
  source.prepared_line_starts_ = LineStarts(source.prepared_);
  return source;
}

Position TomlSource::PositionOf(size_t prepared_offset) const {
  const auto inserted_before =
      std::lower_bound(insertions_.begin(), insertions_.end(), prepared_offset) -
      insertions_.begin();
  return PositionIn(line_starts_, prepared_offset - static_cast<size_t>(inserted_before));
}

size_t TomlSource::OffsetOf(Position prepared_position) const {
  const size_t line = static_cast<size_t>(std::max(prepared_position.line, 1));
  if (line > prepared_line_starts_.size()) return prepared_.size();
  const size_t column = static_cast<size_t>(std::max(prepared_position.column, 1));
  return std::min(prepared_line_starts_[line - 1] + column - 1, prepared_.size());
}

absl::string_view TomlSource::PreparedLine(int line) const {
  if (line < 1 || static_cast<size_t>(line) > prepared_line_starts_.size()) return "";
  absl::string_view rest = absl::string_view(prepared_).substr(prepared_line_starts_[line - 1]);
  return absl::StripSuffix(rest.substr(0, rest.find('\n')), "\r");
}

}  // namespace rally::pipeline
