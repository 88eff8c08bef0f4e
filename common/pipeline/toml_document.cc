#include "common/pipeline/toml_document.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/pipeline/text_positions.h"
#include "common/pipeline/toml_scan.h"

// Errors come as values. Not all that the library asserts holds for a malformed text ("[^"), and
// where it doesn't, the code behind copes; so its assertions must neither abort nor be assumed.
#define TOML_EXCEPTIONS 0
#define TOML_ASSERT(expression) static_cast<void>(0)
#pragma push_macro("NDEBUG")
#undef NDEBUG
#include "toml++/toml.h"
#pragma pop_macro("NDEBUG")

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

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr size_t kMaxMessageBytes = 300;

// The library counts characters; Rally counts bytes.
size_t OffsetOf(const toml::source_position& at, const TextPositions& positions) {
  return positions.ByteOfCharacter(static_cast<int>(at.line), static_cast<int>(at.column));
}

Position PositionOf(const toml::node& node, const TextPositions& positions) {
  // A table that only dotted keys or longer headers speak of is written nowhere.
  if (!node.source().begin) return {1, 1};
  return positions.OfByte(OffsetOf(node.source().begin, positions));
}

class Converter {
 public:
  Converter(absl::string_view text, const TextPositions& positions)
      : text_(text), positions_(positions) {}

  TomlValue Convert(const toml::node& node) const {
    TomlValue converted;
    converted.position = PositionOf(node, positions_);
    switch (node.type()) {
      case toml::node_type::string:
        converted.type = TomlType::kString;
        converted.string = node.ref<std::string>();
        break;
      case toml::node_type::integer:
        converted.type = TomlType::kInteger;
        converted.integer = node.ref<int64_t>();
        break;
      case toml::node_type::floating_point:
        converted.type = TomlType::kFloat;
        converted.floating = node.ref<double>();
        break;
      case toml::node_type::boolean:
        converted.type = TomlType::kBoolean;
        converted.boolean = node.ref<bool>();
        break;
      case toml::node_type::date:
      case toml::node_type::time:
      case toml::node_type::date_time:
        converted.type = TomlType::kDatetime;
        converted.string = std::string(SourceText(node));
        break;
      case toml::node_type::array:
        converted.type = TomlType::kArray;
        ConvertElements(*node.as_array(), &converted);
        break;
      case toml::node_type::table:
      case toml::node_type::none:
        converted.type = TomlType::kTable;
        if (node.is_table()) ConvertEntries(*node.as_table(), &converted);
        break;
    }
    return converted;
  }

 private:
  void ConvertElements(const toml::array& array, TomlValue* converted) const {
    converted->elements.reserve(array.size());
    for (const toml::node& element : array) converted->elements.push_back(Convert(element));
  }

  void ConvertEntries(const toml::table& table, TomlValue* converted) const {
    converted->entries.reserve(table.size());
    for (const auto& [key, value] : table) {
      converted->entries.push_back({std::string(key.str()), Convert(value)});
    }
    // The library keeps tables sorted by key.
    std::sort(converted->entries.begin(), converted->entries.end(),
              [](const TomlEntry& a, const TomlEntry& b) {
                return std::tie(a.value.position.line, a.value.position.column, a.key) <
                       std::tie(b.value.position.line, b.value.position.column, b.key);
              });
  }

  absl::string_view SourceText(const toml::node& node) const {
    const size_t begin = OffsetOf(node.source().begin, positions_);
    const size_t end = OffsetOf(node.source().end, positions_);
    return absl::StripAsciiWhitespace(text_.substr(begin, std::max(begin, end) - begin));
  }

  const absl::string_view text_;
  const TextPositions& positions_;
};

// What the library says may repeat any part of the text, of any length.
std::string Presentable(absl::string_view description) {
  absl::ConsumePrefix(&description, "Error while parsing ");
  std::string text(description.substr(0, kMaxMessageBytes));
  if (text.size() < description.size()) {
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80) != 0) text.pop_back();
    absl::StrAppend(&text, "...");
  }
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return text;
}

void ReportSyntaxError(const toml::parse_error& error, const TextPositions& positions,
                       const TomlScan& scan, DiagnosticList* diagnostics) {
  size_t offset = OffsetOf(error.source().begin, positions);
  const std::string_view description = error.description();
  std::string what = Presentable({description.data(), description.size()});
  if (absl::StrContains(what, "utf-8")) {
    // The library points at what it read before.
    if (offset > 0 || error.source().begin.column > 1) ++offset;
    what = "the file is not valid UTF-8 here";
  } else if (scan.unclosed_string.has_value() && *scan.unclosed_string <= offset) {
    // The library notices where the line or the file ends, which tells the writer little.
    offset = *scan.unclosed_string;
    what = "this string is not closed";
  }
  const Position position = positions.OfByte(offset);
  std::string message = absl::StrCat("TOML syntax: ", what);
  if (absl::StrContains(positions.Line(position.line), "{{")) {
    absl::StrAppend(&message, "; templates are rendered inside strings only");
  }
  diagnostics->Error(position, std::move(message));
}

}  // namespace

std::optional<TomlValue> ReadToml(absl::string_view text, DiagnosticList* diagnostics) {
  text = absl::StripPrefix(text, kByteOrderMark);
  const TextPositions positions(text);
  const TomlScan scan = ScanToml(text);
  if (scan.too_deep.has_value()) {
    diagnostics->Error(
        positions.OfByte(*scan.too_deep),
        absl::StrCat("TOML syntax: nested more than ", TomlScan::kMaxNesting, " deep"));
    return std::nullopt;
  }
  if (scan.stray_character.has_value()) {
    diagnostics->Error(positions.OfByte(*scan.stray_character),
                       "TOML syntax: characters beyond ASCII may stand in strings and comments "
                       "only; put the key or value in quotes");
    return std::nullopt;
  }
  const toml::parse_result result = toml::parse(std::string_view(text.data(), text.size()));
  if (!result) {
    ReportSyntaxError(result.error(), positions, scan, diagnostics);
    return std::nullopt;
  }
  return Converter(text, positions).Convert(result.table());
}

}  // namespace rally::pipeline
