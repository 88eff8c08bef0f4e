#include "rallyctl/follow/line_assembler.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace rally::rallyctl {
namespace {

std::string LastOverwrite(absl::string_view line) {
  while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  const size_t at = line.rfind('\r');
  if (at != absl::string_view::npos) line.remove_prefix(at + 1);
  return std::string(line);
}

}  // namespace

std::string& LineAssembler::Unfinished(v1::LogStream stream) {
  return stream == v1::LOG_STREAM_STDERR ? stderr_ : stdout_;
}

std::vector<LogLine> LineAssembler::Add(const v1::LogRecord& record) {
  std::vector<LogLine> lines;
  std::string& unfinished = Unfinished(record.stream());
  absl::string_view data = record.data();
  while (!data.empty()) {
    const size_t newline = data.find('\n');
    absl::StrAppend(&unfinished, data.substr(0, newline));
    data.remove_prefix(newline == absl::string_view::npos ? data.size() : newline + 1);
    if (newline == absl::string_view::npos && unfinished.size() < kMaxLineBytes) break;
    lines.push_back({record.stream(), LastOverwrite(unfinished)});
    unfinished.clear();
  }
  return lines;
}

std::vector<LogLine> LineAssembler::Finish() {
  std::vector<LogLine> lines;
  for (v1::LogStream stream : {v1::LOG_STREAM_STDOUT, v1::LOG_STREAM_STDERR}) {
    std::string& unfinished = Unfinished(stream);
    if (!unfinished.empty()) lines.push_back({stream, LastOverwrite(unfinished)});
    unfinished.clear();
  }
  return lines;
}

std::string SafeForTerminal(absl::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = text[i];
    if (c == '\x1b' && i + 1 < text.size() && text[i + 1] == '[') {
      // A control sequence: parameters, then one final byte; "m" sets colours.
      size_t end = i + 2;
      while (end < text.size() && (absl::ascii_isdigit(text[end]) || text[end] == ';')) ++end;
      if (end < text.size() && text[end] == 'm')
        absl::StrAppend(&safe, text.substr(i, end - i + 1));
      i = end < text.size() ? end : text.size() - 1;
      continue;
    }
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) safe += static_cast<char>(c);
  }
  return safe;
}

}  // namespace rally::rallyctl
