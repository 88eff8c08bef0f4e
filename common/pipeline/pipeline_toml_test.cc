#include "common/pipeline/pipeline_toml.h"

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/pipeline/diagnostic_lines.h"
#include "common/pipeline/parser.h"
#include "common/pipeline/pipeline_json.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

// All of a pipeline but the lines of its steps.
std::string Everything(const Pipeline& pipeline) {
  std::string text = PipelineJson({pipeline, {}});
  for (const Step& step : pipeline.steps) absl::StrAppend(&text, step.image, "\n");
  return text;
}

TEST(PipelineTomlTest, WritesWhatIsNotTheDefault) {
  Parameters parameters;
  parameters.build = {{"ID", "7"}, {"Registry", "r.example"}};
  const ParseResult result = Parse(R"(
totalTimeout = 600
push = ["app:{{ .Build.ID }}", "library/x"]
conflict = "error"
[[step]]
id = "fetch"
args = ["clone", "branch==main", "https://example.org/a.git"]
timeout = "1m30s"
rerun = "never"
[[step]]
id = "test"
image = "go"
args = ["go", "test", "-run", "a long name of a test", "-args", "and more of what makes a line long"]
entryPoint = "/bin/sh"
workDir = "a/./b"
envs = ["A=\"x\"", 'B=tab	{{ "{{" }} \']
secretEnvs = ["TOKEN", "OTHER"]
[[step]]
id = "alarm"
args = ["write-log", "{{ .Build.ID }} failed"]
whenAll = ["test", "fetch"]
exitedWith = [2, 1, 1]
exitedWithout = [7]
[[step]]
id = "free"
image = "oci:out/image"
whenAll = ["-"]
rerun = "exclusive"
[[secrets]]
akv = "Corp"
secretEnv = "TOKEN"
[[secrets]]
secretEnv = "OTHER"
)",
                                   parameters);
  ASSERT_TRUE(result.pipeline.has_value()) << absl::StrJoin(Lines(result), "\n");
  const std::string toml = PipelineToml(*result.pipeline);
  EXPECT_EQ(toml, R"(totalTimeout = "10m0s"
push = ["r.example/app:7", "docker.io/library/x:latest"]
conflict = "error"

[[step]]
id = "fetch"
args = ["clone", "branch==main", "https://example.org/a.git"]
timeout = "1m30s"
rerun = "never"

[[step]]
id = "test"
image = "go"
args = [
  "go",
  "test",
  "-run",
  "a long name of a test",
  "-args",
  "and more of what makes a line long",
]
entryPoint = "/bin/sh"
workDir = "a/b"
envs = ["A=\"x\"", "B=tab\t{{`{{`}} \\"]
secretEnvs = ["TOKEN", "OTHER"]

[[step]]
id = "alarm"
args = ["write-log", "7 failed"]
whenAll = ["fetch", "test"]
exitedWith = [1, 2]
exitedWithout = [7]

[[step]]
id = "free"
image = "oci:out/image"
whenAll = ["-"]
rerun = "exclusive"

[[secrets]]
akv = "https://corp.vault.azure.net/secrets/TOKEN"
secretEnv = "TOKEN"

[[secrets]]
secretEnv = "OTHER"
)");
  parameters.build["ID"] = "8";  // No longer looked at.
  const ParseResult again = Parse(toml, parameters);
  ASSERT_TRUE(again.pipeline.has_value()) << absl::StrJoin(Lines(again), "\n");
  EXPECT_EQ(Everything(*again.pipeline), Everything(*result.pipeline));
}

// Random pipelines, the same ones in every run.
class RandomPipeline {
 public:
  explicit RandomPipeline(unsigned seed) : random_(seed) {}

  // Their strings come in by --set, which takes any bytes.
  Parameters parameters;
  std::string text;

  void Make() {
    if (Chance(3)) absl::StrAppend(&text, "stepTimeout = ", 1 + Below(7200), "\n");
    if (Chance(3)) absl::StrAppend(&text, "totalTimeout = \"", 1 + Below(20000), "s1ns\"\n");
    if (Chance(4)) text.append("conflict = \"error\"\n");
    if (Chance(3))
      text.append("push = [\"a\", \"b/c:{{ .Build.ID }}\", \"a:latest\", \"r.io/x\"]\n");
    if (Chance(3)) parameters.build["Registry"] = "reg.example:5000";
    const int secrets = Below(4);
    const int steps = 1 + Below(12);
    for (int i = 0; i < steps; ++i) AddStep(i, steps, secrets);
    for (int i = 0; i < secrets; ++i) {
      absl::StrAppend(&text, "[[secrets]]\nsecretEnv = \"S_", i, "\"\n");
      const char* const akvs[] = {"", "akv = \"Corp-Vault\"\n", "akv = \"https://A.B:8443/\"\n",
                                  "akv = \"https://a.b/secrets/x-Y/0a1\"\n"};
      text.append(akvs[Below(4)]);
    }
  }

 private:
  int Below(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }
  bool Chance(int in) { return Below(in) == 0; }

  // A template that gives a text without NUL.
  std::string AnyString(bool may_be_empty = true) {
    static constexpr absl::string_view kPieces[] = {"{{",
                                                    "}}",
                                                    "{",
                                                    "}",
                                                    "\"",
                                                    "'",
                                                    "\\",
                                                    "\n",
                                                    "\t",
                                                    "\r",
                                                    "\x01",
                                                    "\x7F",
                                                    "\xC3\xA9",
                                                    "a",
                                                    "B=",
                                                    " ",
                                                    "{{ .Build.ID }}",
                                                    "- ",
                                                    "-}}",
                                                    "\xF0\x9F\x98\x80",
                                                    "\"\"\"",
                                                    "'''",
                                                    "`",
                                                    "#"};
    std::string value = may_be_empty ? "" : "x";
    for (int i = Below(8); i > 0; --i) {
      const absl::string_view piece = kPieces[Below(sizeof(kPieces) / sizeof(kPieces[0]))];
      value.append(piece.data(), piece.size());
    }
    const std::string name = absl::StrCat("v", parameters.sets.size());
    parameters.sets.push_back(absl::StrCat(name, "=", value));
    return absl::StrCat("\"{{ .Values.", name, " }}\"");
  }

  std::string Codes() {
    std::vector<int> codes;
    for (int i = 1 + Below(5); i > 0; --i) codes.push_back(Below(256));
    return absl::StrJoin(codes, ",");
  }

  void AddStep(int number, int steps, int secrets) {
    absl::StrAppend(&text, "[[step]]\nid = \"s", number, "\"\n");
    std::vector<std::string> args;
    if (Chance(3)) {
      const char* const verbs[] = {"clone", "build", "echo", "write-log", "set", "push", "curl"};
      args.push_back(absl::StrCat("\"", verbs[Below(7)], "\""));
    } else {
      const char* const images[] = {"ubuntu", "a/b:1", "oci:x/./y", "localhost:5000/z"};
      absl::StrAppend(&text, "image = \"", images[Below(4)], "\"\n");
    }
    for (int i = Below(4); i > 0; --i) args.push_back(AnyString());
    absl::StrAppend(&text, "args = [", absl::StrJoin(args, ","), "]\n");
    if (Chance(4)) absl::StrAppend(&text, "workDir = ", AnyString(), "\n");
    if (Chance(4)) absl::StrAppend(&text, "entryPoint = ", AnyString(), "\n");
    if (Chance(4)) absl::StrAppend(&text, "timeout = \"", 1 + Below(9), "m.5s\"\n");
    if (Chance(4)) absl::StrAppend(&text, "rerun = \"", Chance(2) ? "never" : "exclusive", "\"\n");
    if (Chance(3)) {
      // The name has to be outside of the template, which can be anything.
      std::string value = AnyString();
      absl::StrAppend(&text, "envs = [\"A=1\", \"B=", value.substr(1), "]\n");
    }
    if (secrets > 0 && Chance(2))
      absl::StrAppend(&text, "secretEnvs = [\"S_", Below(secrets), "\"]\n");
    if (Chance(4)) absl::StrAppend(&text, "exitedWith = [", Codes(), "]\n");
    if (Chance(4)) absl::StrAppend(&text, "exitedWithout = [", Codes(), "]\n");
    if (Chance(4)) {
      text.append("whenAll = [\"-\"]\n");
    } else if (Chance(2) && number > 0) {
      const int one = Below(number);
      absl::StrAppend(&text, "whenAll = [\"s", one, "\"");
      if (number + 1 < steps && Chance(8)) absl::StrAppend(&text, ", \"s", number + 1, "\"");
      if (one > 0 && Chance(2)) absl::StrAppend(&text, ", \"s", one - 1, "\"");
      text.append("]\n");
    }
  }

  std::mt19937 random_;
};

TEST(PipelineTomlTest, ParsedAgainItIsTheSamePipeline) {
  int good = 0;
  for (unsigned seed = 0; seed < 1000; ++seed) {
    RandomPipeline random(seed);
    random.Make();
    const ParseResult first = Parse(random.text, random.parameters);
    if (!first.pipeline.has_value()) continue;  // A cycle, or a directory outside the workspace.
    ++good;
    const std::string toml = PipelineToml(*first.pipeline);
    Parameters registry_only;
    registry_only.build = random.parameters.build;
    const ParseResult second = Parse(toml, registry_only);
    ASSERT_TRUE(second.pipeline.has_value()) << toml << absl::StrJoin(Lines(second), "\n");
    ASSERT_EQ(Everything(*second.pipeline), Everything(*first.pipeline)) << toml;
    ASSERT_EQ(PipelineToml(*second.pipeline), toml);
  }
  EXPECT_GT(good, 500);
}

}  // namespace
}  // namespace rally::pipeline
