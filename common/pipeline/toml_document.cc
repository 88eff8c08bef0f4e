#include "common/pipeline/toml_document.h"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <sstream>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/pipeline/toml_source.h"
#include "toml.hpp"

namespace rally::pipeline {

absl::string_view DescribeType(TomlType type) {
  switch (type) {
    case TomlType::kString:
      return "a string";
    case TomlType::kInteger:
      return "an integer";
    case TomlType::kFloat:
      return "a float";
    case TomlType::kBoolean:
      return "a boolean";
    case TomlType::kDatetime:
      return "a date or time";
    case TomlType::kArray:
      return "an array";
    case TomlType::kTable:
      return "a table";
  }
  return "a value";
}

namespace {

// value.location() counts the lines of the file up to the value, which is quadratic over a file.
// The region below it knows the byte.
Position PositionOf(const toml::value& value, const TomlSource& source) {
  const auto* region = dynamic_cast<const toml::detail::region*>(toml::detail::get_region(value));
  if (region == nullptr) return {1, 1};
  return source.PositionOf(static_cast<size_t>(region->first() - region->begin()));
}

TomlValue Convert(const toml::value& value, const TomlSource& source) {
  TomlValue converted;
  converted.position = PositionOf(value, source);
  switch (value.type()) {
    case toml::value_t::string:
      converted.type = TomlType::kString;
      converted.string = value.as_string(std::nothrow).str;
      break;
    case toml::value_t::integer:
      converted.type = TomlType::kInteger;
      converted.integer = value.as_integer(std::nothrow);
      break;
    case toml::value_t::floating:
      converted.type = TomlType::kFloat;
      converted.floating = value.as_floating(std::nothrow);
      break;
    case toml::value_t::boolean:
      converted.type = TomlType::kBoolean;
      converted.boolean = value.as_boolean(std::nothrow);
      break;
    case toml::value_t::offset_datetime:
    case toml::value_t::local_datetime:
    case toml::value_t::local_date:
    case toml::value_t::local_time:
      converted.type = TomlType::kDatetime;
      converted.string = toml::detail::get_region(value)->str();
      break;
    case toml::value_t::array:
      converted.type = TomlType::kArray;
      converted.elements.reserve(value.as_array(std::nothrow).size());
      for (const toml::value& element : value.as_array(std::nothrow)) {
        converted.elements.push_back(Convert(element, source));
      }
      break;
    case toml::value_t::table:
    case toml::value_t::empty:
      converted.type = TomlType::kTable;
      if (!value.is_table()) break;
      for (const auto& [key, entry] : value.as_table(std::nothrow)) {
        converted.entries.push_back({key, Convert(entry, source)});
      }
      // The library keeps tables in a hash map.
      std::sort(converted.entries.begin(), converted.entries.end(),
                [](const TomlEntry& a, const TomlEntry& b) {
                  return std::tie(a.value.position.line, a.value.position.column, a.key) <
                         std::tie(b.value.position.line, b.value.position.column, b.key);
                });
      break;
  }
  return converted;
}

// What the library says of a syntax error, taken from its drawing:
//   [error] toml::parse_array: value having invalid format appeared in an array
//    --> FILE
//      |
//    3 | whenAll = ['build-foo", "build-bar"]
//      |           ^--- array starts here
//    ...
//    3 | whenAll = ['build-foo", "build-bar"]
//      |            ^--- it is not a valid value.
// The last mark is the precise one; the exception's own location is often the line's begin.
struct SyntaxComplaint {
  std::string text;
  std::string note;   // Beside the last mark.
  Position position;  // Line 0 when nothing is marked.
  std::string line;   // The marked line.
};

SyntaxComplaint ReadComplaint(absl::string_view drawing) {
  SyntaxComplaint complaint;
  std::pair<absl::string_view, absl::string_view> first_and_rest =
      absl::StrSplit(drawing, absl::MaxSplits('\n', 1));
  absl::string_view text = first_and_rest.first;
  absl::ConsumePrefix(&text, "[error] ");
  // The name of the function that failed: "toml::parse_array: ".
  const size_t colon = text.find(": ");
  if (colon != absl::string_view::npos && !absl::StrContains(text.substr(0, colon), ' ')) {
    text.remove_prefix(colon + 2);
  }
  text = absl::StripAsciiWhitespace(text);
  absl::ConsumeSuffix(&text, ".");
  complaint.text = std::string(text);

  int line_number = 0;
  absl::string_view marked_line;
  for (const absl::string_view line : absl::StrSplit(first_and_rest.second, '\n')) {
    const size_t bar = line.find(" | ");
    if (bar == absl::string_view::npos) continue;
    const absl::string_view gutter = absl::StripAsciiWhitespace(line.substr(0, bar));
    const absl::string_view content = line.substr(bar + 3);
    if (!gutter.empty()) {
      if (!absl::SimpleAtoi(gutter, &line_number)) line_number = 0;
      marked_line = content;
      continue;
    }
    const size_t mark = content.find_first_not_of(' ');
    if (line_number == 0 || mark == absl::string_view::npos) continue;
    if (content[mark] != '^' && content[mark] != '~') continue;
    complaint.position = {line_number, static_cast<int>(mark) + 1};
    complaint.line = std::string(marked_line);
    absl::string_view note = content.substr(mark);
    note.remove_prefix(std::min(note.find_first_not_of("^~-"), note.size()));
    note = absl::StripAsciiWhitespace(note);
    absl::ConsumeSuffix(&note, ".");
    complaint.note = std::string(note);
  }
  return complaint;
}

size_t OffsetOfComplaint(const SyntaxComplaint& complaint, Position fallback,
                         const TomlSource& source) {
  if (complaint.position.line == 0) return source.OffsetOf(fallback);
  const absl::string_view there = source.PreparedLine(complaint.position.line);
  if (there != complaint.line && !complaint.line.empty()) {
    // A malformed date is parsed as a text of its own, whose lines count from 1.
    const size_t found = source.prepared().find(complaint.line);
    if (found != std::string::npos) return found;
  }
  return source.OffsetOf(complaint.position);
}

void ReportSyntaxError(const toml::exception& error, const TomlSource& source,
                       DiagnosticList* diagnostics) {
  const SyntaxComplaint complaint = ReadComplaint(error.what());
  const Position fallback = {static_cast<int>(error.location().line()),
                             static_cast<int>(error.location().column())};
  const size_t offset = OffsetOfComplaint(complaint, fallback, source);

  std::string message = absl::StrCat("TOML syntax: ", complaint.text);
  // These two say nothing without what stands beside the mark.
  if (!complaint.note.empty() &&
      (complaint.text.empty() || complaint.text == "invalid line format")) {
    absl::StrAppend(&message, complaint.text.empty() ? "" : ": ", complaint.note);
  }
  const absl::string_view before = absl::string_view(source.prepared()).substr(0, offset);
  const size_t line_begin =
      before.rfind('\n') == absl::string_view::npos ? 0 : before.rfind('\n') + 1;
  absl::string_view line = absl::string_view(source.prepared()).substr(line_begin);
  line = line.substr(0, line.find('\n'));
  if (absl::StrContains(line, "{{")) {
    absl::StrAppend(&message, "; templates are rendered inside strings only");
  }
  diagnostics->Error(source.PositionOf(offset), std::move(message));
}

}  // namespace

std::optional<TomlValue> ReadToml(absl::string_view text, DiagnosticList* diagnostics) {
  const std::optional<TomlSource> source = TomlSource::Prepare(text, diagnostics);
  if (!source.has_value()) return std::nullopt;
  try {
    std::istringstream stream(source->prepared());
    return Convert(toml::parse(stream, "rally.toml"), *source);
  } catch (const toml::exception& error) {
    ReportSyntaxError(error, *source, diagnostics);
  } catch (const std::exception& error) {
    diagnostics->Error({1, 1}, absl::StrCat("TOML syntax: ", error.what()));
  }
  return std::nullopt;
}

}  // namespace rally::pipeline
