#ifndef RALLY_COMMON_PIPELINE_TOML_DOCUMENT_H_
#define RALLY_COMMON_PIPELINE_TOML_DOCUMENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic_list.h"

namespace rally::pipeline {

enum class TomlType { kString, kInteger, kFloat, kBoolean, kDatetime, kArray, kTable };

// "a string", "an integer", ...
absl::string_view DescribeType(TomlType type);

struct TomlEntry;

// A value of a TOML document and where it stands, free of the library that read it.
struct TomlValue {
  TomlType type = TomlType::kTable;
  // Of the value; of the header for a [table] and a [[table]]. Keys have none.
  Position position;
  std::string string;               // kString; kDatetime as it is written
  int64_t integer = 0;              // kInteger
  double floating = 0;              // kFloat
  bool boolean = false;             // kBoolean
  std::vector<TomlValue> elements;  // kArray
  std::vector<TomlEntry> entries;   // kTable, in the order of the file
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
