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
      return value.type() == TomlType::kString;
    case KeyType::kDuration:
      return value.type() == TomlType::kString || value.type() == TomlType::kInteger;
    case KeyType::kStringArray:
    case KeyType::kIntegerArray:
    case KeyType::kTableArray:
      return value.type() == TomlType::kArray;
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

bool IsArray(const KeySpec& spec) {
  return spec.type == KeyType::kStringArray || spec.type == KeyType::kIntegerArray ||
         spec.type == KeyType::kTableArray;
}

bool CheckOuterType(const KeySpec& spec, const TomlValue& value, DiagnosticList* diagnostics) {
  if (HasOuterType(spec, value)) return true;
  diagnostics->Error(value.position,
                     spec.type == KeyType::kTableArray
                         ? TableArrayMessage(spec)
                         : absl::StrCat(Quote(spec.name), " must be ", DescribeWanted(spec),
                                        ", not ", DescribeType(value.type())));
  return false;
}

void ReportElement(const KeySpec& spec, size_t index, const TomlValue& element,
                   DiagnosticList* diagnostics) {
  diagnostics->Error(
      element.position,
      spec.type == KeyType::kTableArray
          ? TableArrayMessage(spec)
          : absl::StrCat(Quote(spec.name), " must be ", DescribeWanted(spec), ", but ", spec.name,
                         "[", index, "] is ", DescribeType(element.type())));
}

bool CheckChoice(const KeySpec& spec, const TomlValue& value, DiagnosticList* diagnostics) {
  std::vector<std::string> quoted;
  for (const absl::string_view choice : spec.choices) {
    if (value.string() == choice) return true;
    quoted.push_back(Quote(choice));
  }
  diagnostics->Error(value.position, absl::StrCat(spec.name, " ", Quote(value.string()),
                                                  " must be one of ", absl::StrJoin(quoted, ", ")));
  return false;
}

// False when any element was refused; such elements become empty tables.
bool CheckElements(const KeySpec& spec, TomlValue* array, StringRenderer* renderer,
                   DiagnosticList* diagnostics) {
  const TomlType wanted = ElementType(spec);
  bool good = true;
  const absl::Span<TomlValue> elements = array->elements();
  for (size_t i = 0; i < elements.size(); ++i) {
    TomlValue& element = elements[i];
    if (element.type() != wanted) {
      ReportElement(spec, i, element, diagnostics);
    } else if (wanted != TomlType::kString ||
               renderer->Render(spec.name, static_cast<int>(i), &element)) {
      continue;
    }
    good = false;
    element.content = std::vector<TomlEntry>();
  }
  return good;
}

// Of a value that is no array.
bool CheckScalar(const KeySpec& spec, TomlValue* value, StringRenderer* renderer,
                 DiagnosticList* diagnostics) {
  if (value->type() == TomlType::kString &&
      !renderer->Render(spec.name, StringRenderer::kNoIndex, value)) {
    return false;
  }
  return spec.type != KeyType::kChoice || CheckChoice(spec, *value, diagnostics);
}

}  // namespace

CheckedTable CheckKeys(KeyLevel level, TomlValue* table, StringRenderer* renderer,
                       DiagnosticList* diagnostics) {
  CheckedTable checked;
  for (TomlEntry& entry : table->entries()) {
    TomlValue& value = entry.value;
    const KeySpec* spec = FindKey(entry.key, level);
    if (spec == nullptr) {
      diagnostics->Error(value.position, UnknownKeyMessage(entry.key, level));
      // `[[steps]]` leaves the pipeline without a [[step]], which is no second mistake.
      const KeySpec* meant = FindKey(SuggestKey(entry.key, level), level);
      if (meant != nullptr && meant->key != Key::kId) {
        checked.refused_[static_cast<int>(meant->key)] = true;
      } else if (meant != nullptr && value.type() == TomlType::kString &&
                 renderer->Render(entry.key, StringRenderer::kNoIndex, &value)) {
        checked.misspelt_id_ = &value;
      }
      continue;
    }
    const int index = static_cast<int>(spec->key);
    if (!CheckOuterType(*spec, value, diagnostics)) {
      checked.refused_[index] = true;
    } else if (IsArray(*spec)) {
      const bool good = CheckElements(*spec, &value, renderer, diagnostics);
      if (!good) checked.refused_[index] = true;
      // A table that is none would be refused again for what it lacks.
      if (spec->type != KeyType::kTableArray || good) checked.values_[index] = &value;
    } else {
      checked.values_[index] = &value;
      checked.refused_[index] = !CheckScalar(*spec, &value, renderer, diagnostics);
    }
  }
  return checked;
}

}  // namespace rally::pipeline
