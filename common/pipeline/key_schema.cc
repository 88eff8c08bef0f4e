#include "common/pipeline/key_schema.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/key_table.h"
#include "nlohmann/json.hpp"

namespace rally::pipeline {
namespace {

// Keeps members in the order of insertion, which is that of the table.
using Json = nlohmann::ordered_json;

constexpr int kIndent = 2;

// A string that holds a template is checked when it is rendered, not before.
std::string OrTemplate(absl::string_view pattern) { return absl::StrCat(pattern, "|\\{\\{"); }

Json StringSchema(const KeySpec& spec) {
  Json schema = {{"type", "string"}};
  if (!spec.pattern.empty()) schema["pattern"] = OrTemplate(spec.pattern);
  return schema;
}

Json ChoiceSchema(const KeySpec& spec) {
  Json choices = Json::array();
  for (const absl::string_view choice : spec.choices) choices.push_back(std::string(choice));
  return {{"anyOf", {{{"enum", choices}}, {{"type", "string"}, {"pattern", "\\{\\{"}}}}};
}

Json TableSchema(KeyLevel level);

// The level of the tables in an array of tables.
KeyLevel LevelWithin(const KeySpec& spec) {
  return spec.key == Key::kStep ? KeyLevel::kStep : KeyLevel::kSecret;
}

Json ValueSchema(const KeySpec& spec) {
  switch (spec.type) {
    case KeyType::kString:
      return StringSchema(spec);
    case KeyType::kStringArray:
      return {{"type", "array"}, {"items", StringSchema(spec)}};
    case KeyType::kIntegerArray:
      return {{"type", "array"},
              {"minItems", 1},
              {"items", {{"type", "integer"}, {"minimum", 0}, {"maximum", 255}}}};
    case KeyType::kDuration: {
      Json seconds = {{"type", "integer"}, {"minimum", 1}};
      return {{"anyOf", Json::array({seconds, StringSchema(spec)})}};
    }
    case KeyType::kTableArray: {
      Json schema = {{"type", "array"}, {"items", TableSchema(LevelWithin(spec))}};
      if (spec.required) schema["minItems"] = 1;
      return schema;
    }
    case KeyType::kChoice:
      return ChoiceSchema(spec);
  }
  return Json::object();
}

Json TableSchema(KeyLevel level) {
  Json schema = {{"type", "object"}, {"additionalProperties", false}};
  Json required = Json::array();
  Json properties = Json::object();
  for (const KeySpec& spec : AllKeys()) {
    if (spec.level != level) continue;
    Json value = {{"description", std::string(spec.description)}};
    value.update(ValueSchema(spec));
    if (!spec.default_value.empty()) {
      value["default"] = Json::parse(spec.default_value.begin(), spec.default_value.end());
    }
    properties[std::string(spec.name)] = std::move(value);
    if (spec.required) required.push_back(std::string(spec.name));
  }
  if (!required.empty()) schema["required"] = required;
  schema["properties"] = std::move(properties);
  return schema;
}

}  // namespace

std::string PipelineSchema() {
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"title", "rally.toml"},
                 {"description", "A pipeline of Rally: steps, and how they wait for each other."}};
  schema.update(TableSchema(KeyLevel::kTop));
  return absl::StrCat(schema.dump(kIndent), "\n");
}

}  // namespace rally::pipeline
