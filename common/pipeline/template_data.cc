#include "common/pipeline/template_data.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/pipeline/quote.h"
#include "common/pipeline/spelling.h"
#include "common/pipeline/utf8.h"
#include "common/pipeline/values.h"

namespace rally::pipeline {

using go_template::Value;

namespace {

constexpr absl::string_view kNames[] = {"ID",         "Branch",      "BranchName", "Commit", "Tag",
                                        "Repository", "TriggeredBy", "Registry",   "Date"};
// The controller takes no more of what is submitted.
constexpr size_t kMaxValueBytes = size_t{4} << 10;

// Before the build has one: at lint, render and graph.
constexpr char kUnknownId[] = "build-id";

bool IsName(absl::string_view name) {
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// Names of the same things elsewhere, and slips of the finger.
absl::string_view Suggestion(absl::string_view name) {
  if (name == "QueuedBy") return "TriggeredBy";
  const absl::string_view nearest =
      NearestWord(name, std::vector<absl::string_view>(std::begin(kNames), std::end(kNames)));
  if (!nearest.empty()) return nearest;
  return NearestWord(name, {"BuildId"}).empty() ? "" : "ID";
}

Value::Map BuildMap(const std::map<std::string, std::string>& given, DiagnosticList* diagnostics) {
  Value::Map build;
  for (const absl::string_view name : kNames) build.emplace(name, Value(std::string()));
  build.insert_or_assign("ID", Value(std::string(kUnknownId)));
  for (const auto& [name, value] : given) {
    const auto report = [&diagnostics, &name = name](absl::string_view problem) {
      diagnostics->Error({}, absl::StrCat("--build ", Quote(name), ": ", problem));
    };
    if (!IsName(name)) {
      const absl::string_view suggestion = Suggestion(name);
      report(suggestion.empty() ? absl::StrCat("unknown (known: ", absl::StrJoin(kNames, ", "), ")")
                                : absl::StrCat("unknown; did you mean \"", suggestion, "\"?"));
    } else if (value.size() > kMaxValueBytes) {
      report(absl::StrCat("longer than ", kMaxValueBytes >> 10, " KiB"));
    } else if (!IsValidUtf8(value)) {
      report("not valid UTF-8");
    } else {
      build.insert_or_assign(name, Value(value));
    }
  }

  // Two names of one thing.
  const auto branch = given.find("Branch");
  const auto branch_name = given.find("BranchName");
  if (branch != given.end() && branch_name != given.end()) {
    if (branch->second != branch_name->second) {
      diagnostics->Error(
          {}, "--build \"BranchName\": says something else than \"Branch\", which is the same");
    }
  } else if (branch != given.end()) {
    build.insert_or_assign("BranchName", build["Branch"]);
  } else if (branch_name != given.end()) {
    build.insert_or_assign("Branch", build["BranchName"]);
  }
  return build;
}

}  // namespace

std::optional<Value> BuildTemplateData(const Parameters& parameters, DiagnosticList* diagnostics) {
  const int errors_before = diagnostics->error_count();
  Value::Map build = BuildMap(parameters.build, diagnostics);
  Values values(diagnostics);
  for (const ValuesFile& file : parameters.values_files) values.AddFile(file);
  for (const std::string& set : parameters.sets) values.AddSet(set);
  if (diagnostics->error_count() != errors_before) return std::nullopt;
  Value::Map data;
  data.emplace("Build", Value(std::move(build)));
  data.emplace("Values", Value(values.Merged()));
  return Value(std::move(data));
}

}  // namespace rally::pipeline
