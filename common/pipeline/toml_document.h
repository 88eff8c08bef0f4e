#ifndef RALLY_COMMON_PIPELINE_TOML_DOCUMENT_H_
#define RALLY_COMMON_PIPELINE_TOML_DOCUMENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/pipeline/diagnostic_list.h"

namespace rally::pipeline {

// In the order of TomlValue::content's alternatives.
enum class TomlType { kTable, kArray, kString, kInteger, kFloat, kBoolean, kDatetime };

// "a string", "an integer", ...
absl::string_view DescribeType(TomlType type);

struct TomlEntry;

// A value of a TOML document and where it stands, free of the library that read it. A pipeline of
// 20,000 steps has some 200,000 of them, so they are kept small.
struct TomlValue {
  struct Datetime {
    std::string text;  // As it is written.
  };

  TomlType type() const { return static_cast<TomlType>(content.index()); }

  // What there is of a value of that type; nothing ("", 0, none) of one of another.
  const std::string& string() const;  // kDatetime has one, too.
  int64_t integer() const;
  double floating() const;
  bool boolean() const;
  absl::Span<const TomlValue> elements() const;
  absl::Span<TomlValue> elements();
  absl::Span<const TomlEntry> entries() const;  // In the order of the file.
  absl::Span<TomlEntry> entries();

  // Of the value; of the header for a [table] and a [[table]]. Keys have none.
  Position position;
  std::variant<std::vector<TomlEntry>, std::vector<TomlValue>, std::string, int64_t, double, bool,
               Datetime>
      content;
};

struct TomlEntry {
  std::string key;
  TomlValue value;
};

// Reads a whole document. Reports one error, the first, and gives nothing when it is not TOML 1.0
// or exceeds the bounds of TomlScan. Any bytes may be given; time is linear in their number.
std::optional<TomlValue> ReadToml(absl::string_view text, DiagnosticList* diagnostics);

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_TOML_DOCUMENT_H_
