#include "common/pipeline/values.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/pipeline/quote.h"
#include "common/pipeline/utf8.h"

namespace rally::pipeline {

using go_template::Value;

namespace {

constexpr char kSetName[] = "--set";

// Null when lists and tables are nested deeper than `depth_left`.
std::optional<Value> ToValue(const TomlValue& toml, int depth_left) {
  switch (toml.type()) {
    case TomlType::kString:
    case TomlType::kDatetime:
      return Value(toml.string());
    case TomlType::kInteger:
      return Value(toml.integer());
    case TomlType::kFloat:
      return Value(toml.floating());
    case TomlType::kBoolean:
      return Value(toml.boolean());
    case TomlType::kArray: {
      if (depth_left == 0) return std::nullopt;
      Value::List list;
      list.reserve(toml.elements().size());
      for (const TomlValue& element : toml.elements()) {
        std::optional<Value> value = ToValue(element, depth_left - 1);
        if (!value.has_value()) return std::nullopt;
        list.push_back(*std::move(value));
      }
      return Value(std::move(list));
    }
    case TomlType::kTable: {
      if (depth_left == 0) return std::nullopt;
      Value::Map map;
      for (const TomlEntry& entry : toml.entries()) {
        std::optional<Value> value = ToValue(entry.value, depth_left - 1);
        if (!value.has_value()) return std::nullopt;
        map.insert_or_assign(entry.key, *std::move(value));
      }
      return Value(std::move(map));
    }
  }
  return std::nullopt;
}

}  // namespace

// A table that later ones can still be merged into, or a value.
struct Values::Node {
  bool is_table = false;
  std::map<std::string, std::unique_ptr<Node>> children;  // Of a table.
  Value value;                                            // Of anything else.
  TomlType type = TomlType::kTable;
  std::string source;  // Where it was set last.

  Value::Map Table() const {
    Value::Map table;
    for (const auto& [key, child] : children) {
      table.emplace(key, child->is_table ? Value(child->Table()) : child->value);
    }
    return table;
  }
};

struct Values::Source {
  std::string name;
  DiagnosticList* found;
};

Values::Values(DiagnosticList* diagnostics)
    : diagnostics_(*diagnostics), root_(std::make_unique<Node>()) {
  root_->is_table = true;
}

Values::~Values() = default;

void Values::Merge(const TomlValue& table, const std::string& path, int depth, const Source& source,
                   Node* into) {
  for (const TomlEntry& entry : table.entries()) {
    const TomlValue& value = entry.value;
    const std::string entry_path = path.empty() ? entry.key : absl::StrCat(path, ".", entry.key);
    const bool is_table = value.type() == TomlType::kTable;
    std::unique_ptr<Node>& node = into->children[entry.key];
    if (node != nullptr && node->is_table != is_table) {
      source.found->Error(
          value.position,
          absl::StrCat(Quote(entry_path), " is ", DescribeType(node->type), " in ", node->source,
                       " and ", DescribeType(value.type()), " in ", source.name));
      continue;
    }
    if (node == nullptr) node = std::make_unique<Node>();
    node->is_table = is_table;
    node->type = value.type();
    node->source = source.name;
    std::optional<Value> converted;
    if (is_table && depth < kMaxDepth) {
      Merge(value, entry_path, depth + 1, source, node.get());
      continue;
    }
    if (!is_table) converted = ToValue(value, kMaxDepth - depth);
    if (!converted.has_value()) {
      source.found->Error(value.position, absl::StrCat(Quote(entry_path), " is nested more than ",
                                                       kMaxDepth, " tables and arrays deep"));
      continue;
    }
    node->value = *std::move(converted);
  }
}

void Values::AddFile(const ValuesFile& file) {
  DiagnosticList found;
  file_bytes_ += file.text.size();
  if (++files_ > kMaxFiles) {
    // Once, not for each of the rest.
    if (files_ == kMaxFiles + 1) {
      found.Error({}, absl::StrCat("there are more than ", kMaxFiles, " files of values"));
    }
  } else if (file.text.size() > kMaxFileBytes) {
    found.Error({},
                absl::StrCat("a file of values may hold ", kMaxFileBytes >> 20, " MiB at most"));
  } else if (file_bytes_ > kMaxAllFilesBytes) {
    found.Error({}, absl::StrCat("the files of values may hold ", kMaxAllFilesBytes >> 20,
                                 " MiB together at most"));
  } else if (const std::optional<TomlValue> table = ReadToml(file.text, &found)) {
    Merge(*table, "", 1, {file.name, &found}, root_.get());
  }
  diagnostics_.AddAll(found, file.name);
}

void Values::AddSet(absl::string_view set) {
  const auto report = [&](absl::string_view problem) {
    diagnostics_.Error({}, absl::StrCat(kSetName, " ", Quote(set), ": ", problem));
  };
  if (++sets_ > kMaxSets) {
    if (sets_ == kMaxSets + 1) {
      diagnostics_.Error({}, absl::StrCat("there are more than ", kMaxSets, " ", kSetName));
    }
    return;
  }
  if (set.size() > kMaxSetBytes) {
    return report(absl::StrCat("longer than ", kMaxSetBytes >> 10, " KiB"));
  }
  if (!IsValidUtf8(set)) return report("not valid UTF-8");
  const size_t equals = set.find('=');
  if (equals == absl::string_view::npos) return report("no \"=\" found");
  std::vector<std::string> parts = absl::StrSplit(set.substr(0, equals), '.');
  if (parts.size() == 1 && parts[0].empty()) return report("no name before the \"=\"");
  if (std::find(parts.begin(), parts.end(), "") != parts.end()) {
    return report("a part of the name is empty");
  }
  if (parts.size() > static_cast<size_t>(kMaxDepth)) {
    return report(absl::StrCat("more than ", kMaxDepth, " parts in the name"));
  }
  // As a document of tables inside each other with the one value.
  TomlValue value;
  value.content = std::string(set.substr(equals + 1));
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    std::vector<TomlEntry> table;
    table.push_back({std::move(*part), std::move(value)});
    value.content = std::move(table);
  }
  Merge(value, "", 1, {kSetName, &diagnostics_}, root_.get());
}

Value::Map Values::Merged() const { return root_->Table(); }

}  // namespace rally::pipeline
