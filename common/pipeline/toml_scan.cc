#include "common/pipeline/toml_scan.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"

namespace rally::pipeline {
namespace {

struct StringEnd {
  size_t offset;  // Behind the string.
  bool closed;
};

// The end of the string whose opening quote is at `begin`.
StringEnd EndOfString(absl::string_view text, size_t begin) {
  const char quote = text[begin];
  const std::string triple(3, quote);
  const bool multi_line = absl::StartsWith(text.substr(begin), triple);
  size_t at = begin + (multi_line ? 3 : 1);
  while (at < text.size()) {
    const char c = text[at];
    if (c == '\\' && quote == '"') {
      at = std::min(at + 2, text.size());
    } else if (c == '\n' && !multi_line) {
      return {at, false};
    } else if (c == quote && (!multi_line || absl::StartsWith(text.substr(at), triple))) {
      at += multi_line ? 3 : 1;
      // """a"""" ends in a quote of its own; two at most.
      for (int i = 0; multi_line && i < 2 && at < text.size() && text[at] == quote; ++i) ++at;
      return {at, true};
    } else {
      ++at;
    }
  }
  return {at, false};
}

// A key lies between two of these.
bool BoundsKey(char c) {
  return c == '=' || c == ',' || c == '[' || c == ']' || c == '{' || c == '}' || c == '\n';
}

}  // namespace

TomlScan ScanToml(absl::string_view text) {
  TomlScan scan;
  int brackets = 0;
  int dots = 0;
  int values = 0;
  size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (c == '"' || c == '\'') {
      const StringEnd end = EndOfString(text, at);
      if (!end.closed && !scan.unclosed_string.has_value()) scan.unclosed_string = at;
      at = end.offset;
      continue;
    }
    if (c == '[' || c == '{') ++brackets;
    if (c == ']' || c == '}') brackets = std::max(brackets - 1, 0);
    if (c == '.') {
      ++dots;
    } else if (BoundsKey(c)) {
      dots = 0;
    }
    // A value lies behind each of these, but for a comma at an array's end.
    if ((c == ',' || c == '=') && ++values > TomlScan::kMaxValues) {
      scan.too_many = at;
      return scan;
    }
    if (brackets > TomlScan::kMaxNesting || dots >= TomlScan::kMaxNesting) {
      scan.too_deep = at;
      return scan;
    }
    ++at;
  }
  return scan;
}

}  // namespace rally::pipeline
