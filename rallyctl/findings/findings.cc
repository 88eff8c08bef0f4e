#include "rallyctl/findings/findings.h"

#include <algorithm>

#include "common/pipeline/utf8.h"
#include "common/version.h"
#include "nlohmann/json.hpp"
#include "rallyctl/findings/rules.h"

namespace rally::rallyctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kSchema[] =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

std::string Text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

int CharacterColumn(absl::string_view text, int line, int byte_column) {
  for (int i = 1; i < line; ++i) {
    const size_t newline = text.find('\n');
    if (newline == absl::string_view::npos) return byte_column;
    text.remove_prefix(newline + 1);
  }
  text = text.substr(0, std::max(0, byte_column - 1));
  return byte_column -
         static_cast<int>(std::count_if(text.begin(), text.end(), IsUtf8Continuation));
}

// A path as a URI: relative to where the tool ran, or absolute.
std::string Uri(absl::string_view path) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  static constexpr absl::string_view kPlain = "-._~/!$&'()*+,;=@";
  if (path == "<stdin>") return "stdin";
  std::string uri = !path.empty() && path[0] == '/' ? "file://" : "";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool letter_or_digit = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
    if (letter_or_digit || (c >= '0' && c <= '9') || kPlain.find(c) != absl::string_view::npos) {
      uri.push_back(c);
    } else {
      uri += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return uri;
}

Json Rules() {
  Json rules = Json::array();
  for (size_t i = 0; i < RuleCount(); ++i) {
    Json rule;
    rule["id"] = RuleAt(i).id;
    rule["shortDescription"]["text"] = RuleAt(i).description;
    rules.push_back(std::move(rule));
  }
  return rules;
}

Json Result(const Finding& finding) {
  const pipeline::Diagnostic& diagnostic = finding.diagnostic;
  Json physical;
  physical["artifactLocation"]["uri"] = Uri(finding.file);
  if (diagnostic.line > 0) {
    physical["region"]["startLine"] = diagnostic.line;
    if (finding.character_column > 0) {
      physical["region"]["startColumn"] = finding.character_column;
    }
  }
  Json location;
  location["physicalLocation"] = std::move(physical);
  Json result;
  result["ruleId"] = std::string(RuleId(diagnostic));
  result["ruleIndex"] = RuleIndex(diagnostic);
  result["level"] = diagnostic.severity == pipeline::Severity::kError ? "error" : "warning";
  result["message"]["text"] = diagnostic.message;
  result["locations"] = Json::array({std::move(location)});
  return result;
}

}  // namespace

Finding MakeFinding(absl::string_view file, const pipeline::Diagnostic& diagnostic,
                    absl::string_view text) {
  return {std::string(file), diagnostic, CharacterColumn(text, diagnostic.line, diagnostic.column)};
}

std::string FindingsJson(bool ok, const std::vector<std::string>& files,
                         const std::vector<Finding>& findings) {
  Json json;
  json["ok"] = ok;
  json["files"] = files;
  json["errors"] = Json::array();
  json["warnings"] = Json::array();
  for (const Finding& finding : findings) {
    const pipeline::Diagnostic& diagnostic = finding.diagnostic;
    Json one;
    one["file"] = finding.file;
    one["line"] = diagnostic.line;
    one["column"] = diagnostic.column;
    one["code"] = std::string(RuleId(diagnostic));
    one["message"] = diagnostic.message;
    json[diagnostic.severity == pipeline::Severity::kError ? "errors" : "warnings"].push_back(
        std::move(one));
  }
  return Text(json);
}

std::string FindingsSarif(const std::vector<Finding>& findings) {
  Json driver;
  driver["name"] = "rallyctl";
  driver["version"] = kVersion;
  driver["rules"] = Rules();
  Json run;
  run["tool"]["driver"] = std::move(driver);
  run["columnKind"] = "unicodeCodePoints";
  run["results"] = Json::array();
  for (const Finding& finding : findings) run["results"].push_back(Result(finding));
  Json sarif;
  sarif["$schema"] = kSchema;
  sarif["version"] = "2.1.0";
  sarif["runs"] = Json::array({std::move(run)});
  return Text(sarif);
}

}  // namespace rally::rallyctl
