#include "rallyctl/findings/findings.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "rallyctl/findings/rules.h"

namespace rally::rallyctl {
namespace {

using pipeline::Diagnostic;
using pipeline::Severity;

std::string RuleOfError(const std::string& message) {
  return std::string(RuleId({Severity::kError, 1, 1, message, ""}));
}

TEST(RulesTest, EachErrorTextHasItsRule) {
  const std::pair<const char*, const char*> kCases[] = {
      {"TOML syntax: value having invalid format", "syntax"},
      {"unknown key \"workDri\" in [[step]]; did you mean \"workDir\"?", "unknown-key"},
      {"\"args\" must be an array of strings, not a string", "type"},
      {"\"args\" must be an array of strings, but args[1] is an integer", "type"},
      {"\"step\" must be written [[step]]", "type"},
      {"[[step]] number 2 has no \"id\"", "missing-id"},
      {"no [[step]] in the pipeline", "no-steps"},
      {"id \"foo bar\" may hold only letters, digits, \"_\", \".\" and \"-\"", "bad-id"},
      {"id \"root\" is reserved", "reserved-id"},
      {"id \"a\" is already used at line 2", "dup-id"},
      {"step \"b\" waits for \"nope\", which is not a step", "unknown-step"},
      {"step \"a\" waits for itself", "self"},
      {"step \"b\" waits for \"a\" twice", "dup-dep"},
      {"whenAll of step \"b\" mixes \"-\" with other entries", "mixed"},
      {"steps wait for each other in a cycle: a -> b -> a", "cycle"},
      {"exitedWith: 256 is not an exit code (0-255)", "exit-code"},
      {"exitedWith is empty", "exit-code"},
      {"step \"x\" can never run: exitedWithout covers all of exitedWith", "never"},
      {"timeout \"60\": missing unit in duration (write \"60s\")", "timeout"},
      {"stepTimeout \"0\": must be greater than zero", "timeout"},
      {"envs[0] \"PATH\" must be NAME=value", "env"},
      {"\"A\" is set twice", "dup-env"},
      {"secretEnvs[0] \"X\" is not declared by any [[secrets]]", "unknown-secret"},
      {"[[secrets]] needs a secretEnv", "secret"},
      {"secretEnv \"A\" is declared twice", "dup-secret"},
      {"akv \"a.b\" is neither a vault name nor an https URL", "akv"},
      {"args[1]: template: unexpected \"}\" in operand", "template"},
      {"step \"a\" has no image and \"foo\" is not a known verb (known: build)", "no-image"},
      {"image \"Ubuntu\" is not a valid reference", "image"},
      {"workDir \"../x\" leaves the workspace", "workdir"},
      {"\"workDir\" and \"workingDir\" are both set", "alias"},
      {"--set \"x\": no \"=\" found", "values"},
      {"\"x\" is a table in values.toml and a string in --set", "values"},
      {"conflict \"x\" must be one of \"warn\", \"error\"", "choice"},
      {"something new", "error"},
  };
  for (const auto& [message, rule] : kCases) EXPECT_EQ(RuleOfError(message), rule) << message;
}

TEST(RulesTest, EachWarningTextHasItsRule) {
  const std::pair<const char*, const char*> kCases[] = {
      {"\"workingDir\" is taken as \"workDir\", the key's proper name", "alias-used"},
      {"exitedWith is ignored: step \"a\" waits for no other step, so", "condition-ignored"},
      {"totalTimeout 1s is less than stepTimeout 10m0s: a step gets", "total-below-step"},
      {"secretEnv \"A\" is declared but unused: no step names it", "unused-secret"},
      {"whenAll = [] is the same as no whenAll: the step waits", "empty-when-all"},
      {"push[1] \"a\" is docker.io/library/a:latest, as push[0] is; it is pushed once",
       "pushed-twice"},
      {"clone: \"branch==main\" is taken as \"--branch=main\"", "verb-repair"},
      {"something new", "warning"},
  };
  for (const auto& [message, rule] : kCases) {
    EXPECT_EQ(RuleId({Severity::kWarning, 1, 1, message, ""}), rule) << message;
  }
}

TEST(RulesTest, IdsAreUnique) {
  std::set<std::string> ids;
  for (size_t i = 0; i < RuleCount(); ++i) EXPECT_TRUE(ids.insert(RuleAt(i).id).second);
}

TEST(FindingsTest, JsonHasErrorsAndWarningsWithTheirFiles) {
  const Finding error = MakeFinding("a.toml", {Severity::kError, 3, 6, "no-image at all", ""}, "");
  const Finding warning = MakeFinding("b.toml", {Severity::kWarning, 1, 2, "odd", ""}, "");
  const auto json =
      nlohmann::json::parse(FindingsJson(false, {"a.toml", "b.toml"}, {error, warning}));
  EXPECT_EQ(json["ok"], false);
  EXPECT_EQ(json["files"].size(), 2u);
  EXPECT_EQ(json["errors"][0]["file"], "a.toml");
  EXPECT_EQ(json["errors"][0]["line"], 3);
  EXPECT_EQ(json["errors"][0]["column"], 6);
  EXPECT_EQ(json["warnings"][0]["message"], "odd");
  EXPECT_EQ(json["warnings"][0]["code"], "warning");
}

TEST(FindingsTest, SarifHasRulesAndCountsCharacters) {
  const std::string text = "first\nid = \"\xC3\xA9\xC3\xA9\" x\n";
  const Finding finding =
      MakeFinding("dir with blank/\xC3\xA9.toml", {Severity::kError, 2, 12, "odd", ""}, text);
  const Finding whole = MakeFinding("/abs/b.toml", {Severity::kWarning, 0, 0, "odd", ""}, "");
  const auto json = nlohmann::json::parse(FindingsSarif({finding, whole}));
  EXPECT_EQ(json["version"], "2.1.0");
  const auto& run = json["runs"][0];
  const auto& result = run["results"][0];
  EXPECT_EQ(result["level"], "error");
  EXPECT_EQ(run["tool"]["driver"]["rules"][result["ruleIndex"].get<int>()]["id"], result["ruleId"]);
  const auto& place = result["locations"][0]["physicalLocation"];
  EXPECT_EQ(place["artifactLocation"]["uri"], "dir%20with%20blank/%C3%A9.toml");
  EXPECT_EQ(place["region"]["startLine"], 2);
  EXPECT_EQ(place["region"]["startColumn"], 10);
  const auto& other = run["results"][1]["locations"][0]["physicalLocation"];
  EXPECT_EQ(other["artifactLocation"]["uri"], "file:///abs/b.toml");
  EXPECT_FALSE(other.contains("region")) << "it is about the whole file";
}

}  // namespace
}  // namespace rally::rallyctl
