#include "common/pipeline/key_check.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/quote.h"

namespace rally::pipeline {
namespace {

absl::string_view DescribeWanted(const KeySpec& spec) {
  switch (spec.type) {
    case KeyType::kString:
    case KeyType::kChoice:
      return "a string";
    case KeyType::kStringArray:
      return "an array of strings";
    case KeyType::kIntegerArray:
      return "an array of integers";
    case KeyType::kDuration:
      return "a duration string or an integer of seconds";
    case KeyType::kTableArray:
      return "an array of tables";
  }
  return "";
}

bool HasOuterType(const KeySpec& spec, const TomlValue& value) {
  switch (spec.type) {
    case KeyType::kString:
    case KeyType::kChoice:
      return value.type == TomlType::kString;
    case KeyType::kDuration:
      return value.type == TomlType::kString || value.type == TomlType::kInteger;
    case KeyType::kStringArray:
    case KeyType::kIntegerArray:
    case KeyType::kTableArray:
      return value.type == TomlType::kArray;
  }
  return false;
}

// What each element of an array has to be.
TomlType ElementType(const KeySpec& spec) {
  if (spec.type == KeyType::kTableArray) return TomlType::kTable;
  return spec.type == KeyType::kIntegerArray ? TomlType::kInteger : TomlType::kString;
}

std::string TableArrayMessage(const KeySpec& spec) {
  return absl::StrCat(Quote(spec.name), " must be written [[", spec.name, "]]");
}

// Whether the value has the key's type; else an error, at the element where one is to blame.
bool CheckType(const KeySpec& spec, const TomlValue& value, DiagnosticList* diagnostics) {
  if (!HasOuterType(spec, value)) {
    diagnostics->Error(value.position,
                       spec.type == KeyType::kTableArray
                           ? TableArrayMessage(spec)
                           : absl::StrCat(Quote(spec.name), " must be ", DescribeWanted(spec),
                                          ", not ", DescribeType(value.type)));
    return false;
  }
  bool good = true;
  for (size_t i = 0; i < value.elements.size(); ++i) {
    const TomlValue& element = value.elements[i];
    if (element.type == ElementType(spec)) continue;
    good = false;
    diagnostics->Error(
        element.position,
        spec.type == KeyType::kTableArray
            ? TableArrayMessage(spec)
            : absl::StrCat(Quote(spec.name), " must be ", DescribeWanted(spec), ", but ", spec.name,
                           "[", i, "] is ", DescribeType(element.type)));
  }
  return good;
}

bool CheckChoice(const KeySpec& spec, const TomlValue& value, DiagnosticList* diagnostics) {
  std::vector<std::string> quoted;
  for (const absl::string_view choice : spec.choices) {
    if (value.string == choice) return true;
    quoted.push_back(Quote(choice));
  }
  diagnostics->Error(value.position, absl::StrCat(spec.name, " ", Quote(value.string),
                                                  " must be one of ", absl::StrJoin(quoted, ", ")));
  return false;
}

// Exit codes are checked although exit conditions are refused for now, so that each mistake is
// named as what it is.
bool CheckExitCodes(const KeySpec& spec, const TomlValue& value, DiagnosticList* diagnostics) {
  if (value.elements.empty()) {
    diagnostics->Error(value.position, absl::StrCat(spec.name, " is empty"));
    return false;
  }
  bool good = true;
  for (const TomlValue& element : value.elements) {
    if (element.integer >= 0 && element.integer <= 255) continue;
    good = false;
    diagnostics->Error(element.position, absl::StrCat(spec.name, ": ", element.integer,
                                                      " is not an exit code (0-255)"));
  }
  return good;
}

bool CheckSupport(const KeySpec& spec, const TomlValue& value, DiagnosticList* diagnostics) {
  switch (spec.support) {
    case KeySupport::kFull:
      return true;
    case KeySupport::kOnlyEmpty:
      if (value.elements.empty()) return true;
      break;
    case KeySupport::kOnlyFirstChoice:
      if (value.string == spec.choices[0]) return true;
      diagnostics->Error(value.position,
                         absl::StrCat(spec.name, " ", Quote(value.string),
                                      " is not supported yet, only ", Quote(spec.choices[0])));
      return false;
    case KeySupport::kRefused:
      break;
  }
  diagnostics->Error(value.position, absl::StrCat(Quote(spec.name), " is not supported yet"));
  return false;
}

// Templates stand in strings only. A string without "{{" is literal.
bool CheckTemplate(absl::string_view where, const TomlValue& value, DiagnosticList* diagnostics) {
  if (value.type != TomlType::kString || !absl::StrContains(value.string, "{{")) return true;
  diagnostics->Error(value.position,
                     absl::StrCat(where, ": template: templates are not supported yet"));
  return false;
}

bool CheckTemplates(const KeySpec& spec, const TomlValue& value, DiagnosticList* diagnostics) {
  if (spec.type == KeyType::kTableArray) return true;  // Its tables are checked by themselves.
  bool good = CheckTemplate(spec.name, value, diagnostics);
  for (size_t i = 0; i < value.elements.size(); ++i) {
    good =
        CheckTemplate(absl::StrCat(spec.name, "[", i, "]"), value.elements[i], diagnostics) && good;
  }
  return good;
}

bool CheckValue(const KeySpec& spec, const TomlValue& value, DiagnosticList* diagnostics) {
  if (!CheckType(spec, value, diagnostics)) return false;
  if (spec.type == KeyType::kIntegerArray && !CheckExitCodes(spec, value, diagnostics)) {
    return false;
  }
  // A key that is refused whole needs no second error about the templates in it.
  if (spec.type != KeyType::kChoice && !CheckSupport(spec, value, diagnostics)) return false;
  if (!CheckTemplates(spec, value, diagnostics)) return false;
  if (spec.type != KeyType::kChoice) return true;
  return CheckChoice(spec, value, diagnostics) && CheckSupport(spec, value, diagnostics);
}

}  // namespace

CheckedTable CheckKeys(const TomlValue& table, KeyLevel level, DiagnosticList* diagnostics) {
  CheckedTable checked;
  for (const TomlEntry& entry : table.entries) {
    const KeySpec* spec = FindKey(entry.key, level);
    if (spec == nullptr) {
      diagnostics->Error(entry.value.position, UnknownKeyMessage(entry.key, level));
      // `[[steps]]` leaves the pipeline without a [[step]], which is no second mistake.
      const KeySpec* meant = FindKey(SuggestKey(entry.key, level), level);
      if (meant != nullptr && meant->key != Key::kId) {
        checked.refused_[static_cast<int>(meant->key)] = true;
      }
      continue;
    }
    const int index = static_cast<int>(spec->key);
    if (CheckValue(*spec, entry.value, diagnostics)) {
      checked.values_[index] = &entry.value;
    } else {
      checked.refused_[index] = true;
    }
  }
  return checked;
}

}  // namespace rally::pipeline
