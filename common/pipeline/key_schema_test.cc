#include "common/pipeline/key_schema.h"

#include <regex>
#include <string>

#include "common/pipeline/duration.h"
#include "common/pipeline/key_table.h"
#include "common/pipeline/model.h"
#include "common/pipeline/parser.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace rally::pipeline {
namespace {

using Json = nlohmann::json;

Json Schema() { return Json::parse(PipelineSchema()); }

Json PropertiesOf(KeyLevel level) {
  const Json schema = Schema();
  if (level == KeyLevel::kTop) return schema["properties"];
  return schema["properties"][level == KeyLevel::kStep ? "step" : "secrets"]["items"]["properties"];
}

TEST(PipelineSchemaTest, HasEveryKeyAndNoOther) {
  size_t count = 0;
  for (const KeySpec& spec : AllKeys()) {
    const Json properties = PropertiesOf(spec.level);
    ASSERT_TRUE(properties.contains(std::string(spec.name))) << spec.name;
    EXPECT_EQ(properties[std::string(spec.name)]["description"], std::string(spec.description));
    EXPECT_FALSE(spec.description.empty()) << spec.name;
    ++count;
  }
  EXPECT_EQ(PropertiesOf(KeyLevel::kTop).size() + PropertiesOf(KeyLevel::kStep).size() +
                PropertiesOf(KeyLevel::kSecret).size(),
            count);
  const Json schema = Schema();
  EXPECT_EQ(schema["$schema"], "http://json-schema.org/draft-07/schema#");
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_EQ(schema["required"], Json({"step"}));
  EXPECT_EQ(schema["properties"]["step"]["minItems"], 1);
  EXPECT_EQ(schema["properties"]["step"]["items"]["required"], Json({"id"}));
  EXPECT_EQ(schema["properties"]["step"]["items"]["additionalProperties"], false);
  EXPECT_FALSE(schema["properties"]["secrets"]["items"].contains("required"));
}

TEST(PipelineSchemaTest, Types) {
  const Json step = PropertiesOf(KeyLevel::kStep);
  EXPECT_EQ(step["image"]["type"], "string");
  EXPECT_EQ(step["args"]["items"]["type"], "string");
  EXPECT_EQ(step["exitedWith"]["items"],
            Json({{"type", "integer"}, {"minimum", 0}, {"maximum", 255}}));
  EXPECT_EQ(step["exitedWith"]["minItems"], 1);
  EXPECT_EQ(step["timeout"]["anyOf"][0], Json({{"type", "integer"}, {"minimum", 1}}));
  EXPECT_EQ(step["timeout"]["anyOf"][1]["type"], "string");
  EXPECT_EQ(step["rerun"]["anyOf"][0]["enum"], Json({"safe", "exclusive", "never"}));
  EXPECT_EQ(PropertiesOf(KeyLevel::kTop)["conflict"]["default"], "warn");
}

bool Matches(const Json& schema, const std::string& text) {
  return std::regex_search(text, std::regex(schema["pattern"].get<std::string>()));
}

// The schema must not mark what the parser takes.
TEST(PipelineSchemaTest, PatternsTakeWhatTheParserTakes) {
  const Json step = PropertiesOf(KeyLevel::kStep);
  for (const std::string id : {"a", "A-1_b.c", "{{ .Build.ID }}", "x-{{ .Values.y }}"}) {
    EXPECT_TRUE(Matches(step["id"], id)) << id;
  }
  for (const std::string id : {"", "-", "a b", ".a", "a{b"})
    EXPECT_FALSE(Matches(step["id"], id)) << id;
  for (const std::string entry : {"-", "a", "{{ .Values.y }}"}) {
    EXPECT_TRUE(Matches(step["whenAll"]["items"], entry)) << entry;
  }
  for (const std::string env : {"A=", "_b=x=y", "{{ .Values.y }}"}) {
    EXPECT_TRUE(Matches(step["envs"]["items"], env)) << env;
  }
  EXPECT_FALSE(Matches(step["envs"]["items"], "PATH"));
  const Json& duration = step["timeout"]["anyOf"][1];
  for (const std::string text :
       {"60s", "1h30m", ".5s", "1.s", "+3m", "1.5h2ms", "3\xC2\xB5s", "3\xCE\xBCs", "7us", "1ns"}) {
    EXPECT_TRUE(ParseGoDuration(text).ok()) << text;
    EXPECT_TRUE(Matches(duration, text)) << text;
  }
  for (const std::string text : {"60", "1d", "", "1 s", "1e3s", ".s", "-1s"}) {
    EXPECT_FALSE(Matches(duration, text)) << text;
  }
  const Json akv = PropertiesOf(KeyLevel::kSecret)["akv"];
  for (const std::string text : {"Corp-Vault", "https://a.b", "HTTPS://a.b/secrets/c"}) {
    EXPECT_TRUE(Matches(akv, text)) << text;
  }
  EXPECT_FALSE(Matches(akv, "corp.vault"));
}

// The table's defaults are those of the parser.
TEST(PipelineSchemaTest, Defaults) {
  const auto result = Parse("[[step]]\nid = \"a\"\nimage = \"i\"\n");
  ASSERT_TRUE(result.pipeline.has_value());
  const Json top = PropertiesOf(KeyLevel::kTop);
  EXPECT_EQ(top["stepTimeout"]["default"], absl::ToInt64Seconds(result.pipeline->step_timeout));
  EXPECT_EQ(top["totalTimeout"]["default"], absl::ToInt64Seconds(result.pipeline->total_timeout));
  EXPECT_EQ(result.pipeline->conflict, ConflictPolicy::kWarn);
  EXPECT_EQ(PropertiesOf(KeyLevel::kStep)["rerun"]["default"], "safe");
  EXPECT_EQ(result.pipeline->steps[0].rerun, Rerun::kSafe);
}

}  // namespace
}  // namespace rally::pipeline
