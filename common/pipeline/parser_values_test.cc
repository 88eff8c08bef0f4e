// What the parser makes of templates, secrets, conditions, pushes and verbs, and what it warns of.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/pipeline/diagnostic_lines.h"
#include "common/pipeline/parser.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::Pair;

Pipeline MustParse(absl::string_view text, const Parameters& parameters = {},
                   const ParseOptions& options = {}) {
  ParseResult result = Parse(text, parameters, options);
  EXPECT_TRUE(result.pipeline.has_value()) << ::testing::PrintToString(Lines(result));
  return result.pipeline.value_or(Pipeline());
}

TEST(TemplatesTest, EveryKeyIsRendered) {
  Parameters parameters;
  parameters.sets = {"v=x", "t=90s", "c=error", "r=never", "k=corp"};
  parameters.build = {{"ID", "7"}};
  const Pipeline pipeline = MustParse(R"(
stepTimeout = "{{ .Values.t }}"
totalTimeout = "1{{ .Values.t }}"
conflict = "{{ .Values.c }}"
push = ["{{ .Values.v }}:{{ .Build.ID }}"]
[[step]]
id = "{{ .Values.v }}-1"
image = "{{ .Values.v }}"
args = ["a{{ .Values.v }}", "b", '{{ printf "%03d" 7 }}']
entryPoint = "/{{ .Values.v }}"
workDir = "{{ .Values.v }}/../y"
envs = ["{{ .Values.v }}=1"]
secretEnvs = ["S_{{ .Values.v }}"]
timeout = "{{ .Values.t }}"
rerun = "{{ .Values.r }}"
[[step]]
id = "y"
image = "i"
whenAll = ["{{ .Values.v }}-1"]
[[step]]
id = "z"
image = "i"
whenAll = ['{{ "-" }}']
[[secrets]]
akv = "{{ .Values.k }}"
secretEnv = "S_{{ .Values.v }}"
)",
                                      parameters);
  ASSERT_EQ(pipeline.steps.size(), 3u);
  const Step& step = pipeline.steps[0];
  EXPECT_EQ(step.id, "x-1");
  EXPECT_EQ(step.image, "x");
  EXPECT_EQ(step.command.image, "docker.io/library/x:latest");
  EXPECT_THAT(step.args, ElementsAre("ax", "b", "007"));
  EXPECT_EQ(step.entry_point, "/x");
  EXPECT_EQ(step.work_dir, "y");
  EXPECT_THAT(step.envs, ElementsAre(Pair("x", "1")));
  EXPECT_THAT(step.secret_envs, ElementsAre("S_x"));
  EXPECT_EQ(step.timeout, absl::Seconds(90));
  EXPECT_EQ(step.rerun, Rerun::kNever);
  EXPECT_THAT(pipeline.steps[1].dependencies, ElementsAre(0));
  EXPECT_FALSE(pipeline.steps[1].implicit_dependency);
  EXPECT_THAT(pipeline.steps[2].dependencies, IsEmpty());
  EXPECT_EQ(pipeline.step_timeout, absl::Seconds(90));
  EXPECT_EQ(pipeline.total_timeout, absl::Seconds(190));
  EXPECT_EQ(pipeline.conflict, ConflictPolicy::kError);
  EXPECT_THAT(pipeline.push, ElementsAre("docker.io/library/x:7"));
  ASSERT_EQ(pipeline.secrets.size(), 1u);
  EXPECT_EQ(pipeline.secrets[0].env, "S_x");
  EXPECT_EQ(pipeline.secrets[0].vault, "https://corp.vault.azure.net");
}

// What is rendered stays one argument, whatever it holds.
TEST(TemplatesTest, ValuesCannotBecomeMoreThanTheirString) {
  Parameters parameters;
  parameters.build = {{"Branch", "x\", \"--upload-pack=evil"}};
  const Pipeline pipeline = MustParse(
      "[[step]]\nid = \"a\"\nargs = [\"clone\", \"branch=={{ .Build.BranchName }}\", \"u\"]\n",
      parameters);
  EXPECT_THAT(pipeline.steps[0].verb->args, ElementsAre("--branch=x\", \"--upload-pack=evil", "u"));
}

TEST(SecretsTest, EveryFormOfDeclaration) {
  ParseOptions options;
  options.vault_suffix = "vault.azure.cn";
  const ParseResult result = Parse(R"([[step]]
id = "a"
image = "i"
secretEnvs = ["DB_PASS", "MY_SECRET", "PLAIN", "PINNED"]
[[secrets]]
akv = "https://c.example/secrets/db-pass/"
[[secrets]]
akv = "CorpVault"
secretEnv = "MY_SECRET"
[[secrets]]
secretEnv = "PLAIN"
[[secrets]]
akv = "https://C.example/secrets/Name/1a"
secretEnv = "PINNED"
[[secrets]]
akv = "https://c.example"
secretEnv = "_unused"
)",
                                   {}, options);
  EXPECT_THAT(Lines(result),
              ElementsAre("17:13: warning: secretEnv \"_unused\" is declared but unused: no step "
                          "names it in secretEnvs"));
  ASSERT_TRUE(result.pipeline.has_value());
  std::vector<std::string> secrets;
  for (const Secret& secret : result.pipeline->secrets) {
    secrets.push_back(
        absl::StrCat(secret.env, " ", secret.vault, " ", secret.name, " ", secret.version));
  }
  EXPECT_THAT(secrets, ElementsAre("DB_PASS https://c.example db-pass ",
                                   "MY_SECRET https://corpvault.vault.azure.cn MY-SECRET ",
                                   "PLAIN  PLAIN ", "PINNED https://c.example Name 1a",
                                   "_unused https://c.example -unused "));
}

TEST(ConditionsTest, AreSets) {
  const Pipeline pipeline = MustParse(R"(
[[step]]
id = "a"
image = "i"
[[step]]
id = "b"
image = "i"
exitedWith = [255, 0, 3, 3, 0]
[[step]]
id = "c"
image = "i"
exitedWithout = [1]
)");
  EXPECT_EQ(pipeline.steps[0].exited_with, std::nullopt);
  EXPECT_THAT(pipeline.steps[1].exited_with, Optional(ElementsAre(0, 3, 255)));
  EXPECT_EQ(pipeline.steps[1].exited_without, std::nullopt);
  EXPECT_THAT(pipeline.steps[2].exited_without, Optional(ElementsAre(1)));
}

TEST(ConditionsTest, WithoutDependenciesTheyAreWarnedOf) {
  const ParseResult result = Parse(R"([[step]]
id = "a"
image = "i"
exitedWith = [1]
[[step]]
id = "b"
image = "i"
whenAll = ["-"]
exitedWithout = [0]
[[step]]
id = "c"
image = "i"
whenAll = ["-"]
exitedWith = [1]
exitedWithout = [1]
)");
  EXPECT_TRUE(result.pipeline.has_value());
  EXPECT_THAT(Lines(result),
              ElementsAre("4:14: warning: exitedWith is ignored: step \"a\" waits for no other "
                          "step, so there is no exit code to look at",
                          "9:17: warning: exitedWithout is ignored: step \"b\" waits for no other "
                          "step, so there is no exit code to look at",
                          "14:14: warning: exitedWith is ignored: step \"c\" waits for no other "
                          "step, so there is no exit code to look at",
                          "15:17: warning: exitedWithout is ignored: step \"c\" waits for no other "
                          "step, so there is no exit code to look at"));
}

TEST(PushTest, GetsTheDefaultRegistryAsBuildsDo) {
  Parameters parameters;
  parameters.build = {{"ID", "204"}, {"Registry", "corp.azurecr.io"}};
  const Pipeline pipeline = MustParse(R"(
push = ["shop:{{ .Build.ID }}", "quay.io/shop/web", "library/x", "corp.azurecr.io/shop:204"]
[[step]]
id = "a"
args = ["build", "-t", "shop:{{ .Build.ID }}", "."]
)",
                                      parameters);
  EXPECT_THAT(pipeline.push, ElementsAre("corp.azurecr.io/shop:204", "quay.io/shop/web:latest",
                                         "docker.io/library/x:latest"));
  EXPECT_THAT(pipeline.steps[0].verb->args, ElementsAre("-t", "shop:204", "."));
  EXPECT_THAT(pipeline.steps[0].command.args,
              ElementsAre("build", "-t", "corp.azurecr.io/shop:204", "."));
}

TEST(CommandTest, AnImageWinsOverAVerb) {
  const Pipeline pipeline = MustParse(R"(
[[step]]
id = "a"
image = "curlimages/curl:8.1.0"
args = ["clone", "branch=x"]
entryPoint = "/bin/cat"
[[step]]
id = "b"
args = ["clone", "branch=x"]
)");
  EXPECT_FALSE(pipeline.steps[0].verb.has_value());
  EXPECT_EQ(pipeline.steps[0].command.image, "docker.io/curlimages/curl:8.1.0");
  EXPECT_EQ(pipeline.steps[0].command.entry_point, "/bin/cat");
  EXPECT_THAT(pipeline.steps[0].command.args, ElementsAre("clone", "branch=x"));
  ASSERT_TRUE(pipeline.steps[1].verb.has_value());
  EXPECT_EQ(pipeline.steps[1].verb->name, "clone");
  EXPECT_THAT(pipeline.steps[1].verb->args, ElementsAre("--branch=x"));
}

TEST(RerunTest, EveryClass) {
  const Pipeline pipeline = MustParse(R"(
conflict = "warn"
[[step]]
id = "a"
image = "i"
[[step]]
id = "b"
image = "i"
rerun = "safe"
[[step]]
id = "c"
image = "i"
rerun = "exclusive"
[[step]]
id = "d"
image = "i"
rerun = "never"
)");
  EXPECT_EQ(pipeline.conflict, ConflictPolicy::kWarn);
  EXPECT_EQ(pipeline.steps[0].rerun, Rerun::kSafe);
  EXPECT_EQ(pipeline.steps[1].rerun, Rerun::kSafe);
  EXPECT_EQ(pipeline.steps[2].rerun, Rerun::kExclusive);
  EXPECT_EQ(pipeline.steps[3].rerun, Rerun::kNever);
}

}  // namespace
}  // namespace rally::pipeline
