#include "common/pipeline/diagnostic.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/pipeline/utf8.h"

namespace rally::pipeline {
namespace {

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";
// What of a long source line is shown on each side of the caret.
constexpr size_t kBytesBeforeCaret = 100;
constexpr size_t kBytesAfterCaret = 60;

absl::string_view SourceLine(absl::string_view source, int line) {
  source = absl::StripPrefix(source, kByteOrderMark);
  for (int i = 1; i < line; ++i) {
    const size_t newline = source.find('\n');
    if (newline == absl::string_view::npos) return "";
    source.remove_prefix(newline + 1);
  }
  source = source.substr(0, source.find('\n'));
  return absl::StripSuffix(source, "\r");
}

// A terminal must not be told to do things by the file that it shows.
std::string WithoutControlCharacters(absl::string_view text) {
  std::string shown(text);
  for (char& c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7F) c = '?';
  }
  return shown;
}

}  // namespace

std::string Format(const Diagnostic& diagnostic, absl::string_view file, absl::string_view source,
                   bool caret) {
  const absl::string_view severity = diagnostic.severity == Severity::kError ? "error" : "warning";
  if (diagnostic.line <= 0) {
    return absl::StrCat(file, ": ", severity, ": ", diagnostic.message);
  }
  std::string text = absl::StrCat(file, ":", diagnostic.line, ":", diagnostic.column, ": ",
                                  severity, ": ", diagnostic.message);
  if (!caret || source.empty()) return text;

  const absl::string_view line = SourceLine(source, diagnostic.line);
  if (line.empty()) return text;
  const size_t at = std::min<size_t>(std::max(diagnostic.column, 1) - 1, line.size());
  size_t begin = at > kBytesBeforeCaret ? at - kBytesBeforeCaret : 0;
  while (begin > 0 && IsUtf8Continuation(line[begin])) --begin;
  size_t end = std::min(line.size(), at + kBytesAfterCaret);
  while (end < line.size() && IsUtf8Continuation(line[end])) ++end;

  absl::StrAppend(&text, "\n  ", WithoutControlCharacters(line.substr(begin, end - begin)), "\n  ");
  for (size_t i = begin; i < at; ++i) {
    // A tab stays a tab, and a character of several bytes is one blank, so the caret lines up.
    if (!IsUtf8Continuation(line[i])) text.push_back(line[i] == '\t' ? '\t' : ' ');
  }
  text.push_back('^');
  return text;
}

}  // namespace rally::pipeline
