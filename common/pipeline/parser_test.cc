#include "common/pipeline/parser.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/pipeline/diagnostic_lines.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

Pipeline MustParse(absl::string_view text) {
  ParseResult result = Parse(text);
  EXPECT_TRUE(result.pipeline.has_value()) << ::testing::PrintToString(Lines(result));
  return result.pipeline.value_or(Pipeline());
}

std::vector<std::string> OrderedIds(const Pipeline& pipeline) {
  std::vector<std::string> ids;
  for (const int number : pipeline.order) ids.push_back(pipeline.steps[number].id);
  return ids;
}

TEST(ParseTest, ReadsEveryKeyOfAStep) {
  const Pipeline pipeline = MustParse(R"(
totalTimeout = "20m"
stepTimeout = 400
conflict = "warn"
push = []
secrets = []

[[step]]
id = "q"
image = "curlimages/curl:8.1.0"
args = ["clone", "branch=x", "", "a b"]
entryPoint = "/bin/cat"
workDir = "src/./x/../app"
envs = ["A=1", "_B=", "C=x=y"]
secretEnvs = []
timeout = "1m30s"
rerun = "safe"
whenAll = ["-"]
)");
  ASSERT_EQ(pipeline.steps.size(), 1u);
  const Step& step = pipeline.steps[0];
  EXPECT_EQ(step.id, "q");
  EXPECT_EQ(step.image, "curlimages/curl:8.1.0");
  EXPECT_THAT(step.args, ElementsAre("clone", "branch=x", "", "a b"));
  EXPECT_EQ(step.entry_point, "/bin/cat");
  EXPECT_EQ(step.work_dir, "src/app");
  EXPECT_THAT(step.envs, ElementsAre(Pair("A", "1"), Pair("_B", ""), Pair("C", "x=y")));
  EXPECT_EQ(step.timeout, absl::Seconds(90));
  EXPECT_THAT(step.dependencies, IsEmpty());
  EXPECT_FALSE(step.implicit_dependency);
  EXPECT_EQ(step.line, 8);
  EXPECT_EQ(pipeline.step_timeout, absl::Seconds(400));
  EXPECT_EQ(pipeline.total_timeout, absl::Minutes(20));
}

TEST(ParseTest, Defaults) {
  const Pipeline pipeline = MustParse("[[step]]\nid=\"a\"\nimage=\"oci:out\"\n");
  EXPECT_EQ(pipeline.step_timeout, absl::Minutes(10));
  EXPECT_EQ(pipeline.total_timeout, absl::Hours(1));
  EXPECT_EQ(pipeline.steps[0].timeout, absl::Minutes(10));
  EXPECT_EQ(pipeline.steps[0].work_dir, "");
  EXPECT_EQ(pipeline.steps[0].image, "oci:out");
}

TEST(ParseTest, InlineStepsAndCarriageReturnsAndByteOrderMark) {
  const Pipeline pipeline = MustParse(
      "\xEF\xBB\xBFstep = [\r\n"
      "  { id = \"a\", image = \"i\" },\r\n"
      "  { id = \"b\", image = \"i\", timeout = 7 },\r\n"
      "]\r\n");
  ASSERT_EQ(pipeline.steps.size(), 2u);
  EXPECT_EQ(pipeline.steps[1].timeout, absl::Seconds(7));
  EXPECT_EQ(pipeline.steps[1].line, 3);
}

TEST(ParseTest, AbsoluteWorkDirStaysAbsolute) {
  const Pipeline pipeline = MustParse("[[step]]\nid=\"a\"\nimage=\"i\"\nworkDir=\"/a/../../b/\"\n");
  EXPECT_EQ(pipeline.steps[0].work_dir, "/b");
}

TEST(ParseTest, AStepWaitsForTheOneBeforeItInTheFile) {
  const Pipeline pipeline = MustParse(R"(
step = [
  { id = "left-1", image = "i" },
  { id = "left-2", image = "i" },
  { id = "right-1", image = "i", whenAll = ["-"] },
  { id = "right-2", image = "i" },
  { id = "join", image = "i", whenAll = ["right-2", "left-2"] },
])");
  EXPECT_THAT(pipeline.steps[0].dependencies, IsEmpty());
  EXPECT_FALSE(pipeline.steps[0].implicit_dependency);
  EXPECT_THAT(pipeline.steps[1].dependencies, ElementsAre(0));
  EXPECT_TRUE(pipeline.steps[1].implicit_dependency);
  EXPECT_THAT(pipeline.steps[2].dependencies, IsEmpty());
  EXPECT_THAT(pipeline.steps[3].dependencies, ElementsAre(2));
  EXPECT_THAT(pipeline.steps[4].dependencies, ElementsAre(1, 3));
  EXPECT_FALSE(pipeline.steps[4].implicit_dependency);
  EXPECT_THAT(OrderedIds(pipeline), ElementsAre("left-1", "left-2", "right-1", "right-2", "join"));
}

TEST(ParseTest, ForwardReferencesAreFine) {
  const Pipeline pipeline = MustParse(R"(
[[step]]
id = "publish"
image = "i"
whenAll = ["compile", "docs"]
[[step]]
id = "docs"
image = "i"
whenAll = ["-"]
[[step]]
id = "compile"
image = "i"
whenAll = ["-"]
)");
  EXPECT_THAT(OrderedIds(pipeline), ElementsAre("docs", "compile", "publish"));
}

TEST(ParseTest, Warnings) {
  const ParseResult result = Parse(R"(totalTimeout = 300
stepTimeout = "10m"
[[step]]
id = "a"
image = "i"
[[step]]
id = "b"
image = "i"
whenAll = []
workingDir = "fsrus"
)");
  EXPECT_THAT(
      Lines(result),
      ElementsAre(
          "1:16: warning: totalTimeout 5m0s is less than stepTimeout 10m0s: a step gets at most "
          "what is left of the total",
          "9:11: warning: whenAll = [] is the same as no whenAll: the step waits for the one "
          "before it; write [\"-\"] to start at once",
          "10:14: warning: \"workingDir\" is taken as \"workDir\", the key's proper name"));
  ASSERT_TRUE(result.pipeline.has_value());
  EXPECT_EQ(result.pipeline->steps[1].work_dir, "fsrus");
  EXPECT_THAT(result.pipeline->steps[1].dependencies, ElementsAre(0));
  EXPECT_TRUE(result.pipeline->steps[1].implicit_dependency);
}

TEST(ParseTest, ATotalTimeoutBelowTheDefaultStepTimeoutIsNoWarning) {
  EXPECT_THAT(Lines(Parse("totalTimeout=300\n[[step]]\nid=\"a\"\nimage=\"i\"\n")), IsEmpty());
}

TEST(ParseTest, LimitsAreTheServers) {
  ParseOptions options;
  ParseLimits& limits = options.limits;
  limits.max_step_timeout = absl::Minutes(5);
  limits.max_total_timeout = absl::Minutes(30);
  limits.max_steps = 1;
  limits.max_bytes = 100;
  const ParseResult clamped = Parse("[[step]]\nid=\"a\"\nimage=\"i\"\n", {}, options);
  ASSERT_TRUE(clamped.pipeline.has_value());
  EXPECT_EQ(clamped.pipeline->steps[0].timeout, absl::Minutes(5));
  EXPECT_EQ(clamped.pipeline->total_timeout, absl::Minutes(30));
  EXPECT_THAT(Lines(Parse("[[step]]\nid=\"a\"\nimage=\"i\"\ntimeout=301\n", {}, options)),
              ElementsAre("4:9: timeout 301: exceeds the maximum of 5m0s"));
  EXPECT_THAT(Lines(Parse("[[step]]\nid=\"a\"\nimage=\"i\"\n[[step]]\nid=\"b\"\n", {}, options)),
              ElementsAre("4:1: 2 steps are more than the maximum of 1"));
  EXPECT_THAT(Lines(Parse(std::string(101, '#'), {}, options)),
              ElementsAre("1:1: the file has more than the maximum of 100 bytes"));
}

TEST(ParseTest, ReportsEveryErrorSortedByLine) {
  const ParseResult result = Parse(R"(stepTimeout = "x"
[[step]]
id = "a"
image = "A"
timeout = "60"
[[step]]
image = "i"
envs = ["X"]
whenAll = ["nope"]
[[step]]
id = "b"
image = "i"
whenAll = ["nope"]
)");
  EXPECT_THAT(Lines(result),
              ElementsAre("1:15: stepTimeout \"x\": invalid duration (write for example \"60s\")",
                          "4:9: image \"A\" is not a valid reference: a repository's name is "
                          "lower case",
                          "5:11: timeout \"60\": missing unit in duration (write \"60s\")",
                          "6:1: [[step]] number 2 has no \"id\"",
                          // Of the step without an id only what doesn't follow from that.
                          "8:9: envs[0] \"X\" must be NAME=value",
                          "13:12: step \"b\" waits for \"nope\", which is not a step"));
}

TEST(ParseTest, AtMostTwentyErrorsAreShown) {
  std::string text;
  for (int i = 0; i < 25; ++i) absl::StrAppend(&text, "[[step]]\nid = \"-", i, "\"\n");
  const ParseResult result = Parse(text);
  ASSERT_EQ(result.diagnostics.size(), 21u);
  EXPECT_EQ(result.diagnostics[19].line, 40);
  EXPECT_EQ(result.diagnostics[20].message, "5 more errors");
}

TEST(ParseTest, ALongCycleIsShortened) {
  std::string text = "[[step]]\nid = \"s0\"\nimage = \"i\"\nwhenAll = [\"s999\"]\n";
  for (int i = 1; i < 1000; ++i) {
    absl::StrAppend(&text, "[[step]]\nid = \"s", i, "\"\nimage = \"i\"\n");
  }
  const ParseResult result = Parse(text);
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_EQ(result.diagnostics[0].message,
            "steps wait for each other in a cycle: s0 -> s999 -> s998 -> s997 -> s996 -> s995 -> "
            "s994 -> s993 -> s992 -> (990 more) -> s1 -> s0 (without whenAll, so waiting for the "
            "step before: s999, s998, s997, s996, s995, s994, s993, s992, s991, (988 more), s2, "
            "s1)");
}

}  // namespace
}  // namespace rally::pipeline
