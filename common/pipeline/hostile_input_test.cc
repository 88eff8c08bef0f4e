// What nobody writes by accident: inputs made to crash, stall or flood whoever parses them.
#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/parser.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

using ::testing::HasSubstr;

std::string Repeat(absl::string_view text, int times) {
  std::string result;
  result.reserve(text.size() * static_cast<size_t>(times));
  for (int i = 0; i < times; ++i) absl::StrAppend(&result, text);
  return result;
}

TEST(HostileInputTest, BracketsInStringsAndCommentsDoNotNest) {
  const std::string brackets = Repeat("[{.", 50);
  const ParseResult result = Parse(absl::StrCat(
      "# ", brackets, "\n[[step]]\nid = \"a\"\nimage = \"i\"\nargs = [\"", brackets, "\", '",
      brackets, "', \"\"\"\n\"", brackets, "\\\"\"\"\"\", '''", brackets, "\n'''',]\n"));
  ASSERT_TRUE(result.pipeline.has_value()) << result.diagnostics[0].message;
  EXPECT_EQ(result.pipeline->steps[0].args.size(), 4u);
  EXPECT_EQ(result.pipeline->steps[0].args[2], "\"" + brackets + "\"\"");
}

TEST(HostileInputTest, ValidUtf8OfEveryLengthIsFine) {
  const ParseResult result = Parse(
      "[[step]]\nid = \"a\"\nimage = \"i\"\nargs = [\"\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF"
      "\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"]\n");
  ASSERT_TRUE(result.pipeline.has_value());
  EXPECT_EQ(result.pipeline->steps[0].args[0].size(), 21u);
}

TEST(HostileInputTest, HugeStringsAreNotRepeatedInMessages) {
  const std::string huge(1000000, 'x');
  for (const std::string& text :
       {"[[step]]\nid = \"-" + huge + "\"\n", huge + " = 1\n[[step]]\nid=\"a\"\nimage=\"i\"\n",
        "[[step]]\nid = \"a\"\nimage = \"i\"\nwhenAll = [\"" + huge + "\"]\n",
        "[[step]]\nid = \"a\"\nimage = \"" + huge + "\"\n",
        "[[step]]\nid = \"a\"\nimage = \"i\"\ntimeout = \"1" + huge + "\"\n",
        "[[step]]\nid = \"a\"\nimage = \"i\"\nenvs = [\"" + huge + "\"]\n"}) {
    const ParseResult result = Parse(text);
    EXPECT_FALSE(result.pipeline.has_value());
    ASSERT_EQ(result.diagnostics.size(), 1u) << result.diagnostics[1].message;
    EXPECT_LT(result.diagnostics[0].message.size(), 400u);
  }
}

TEST(HostileInputTest, LongLinesAreReadInLinearTime) {
  std::string when_all;
  std::string steps;
  for (int i = 0; i < 12000; ++i) {
    absl::StrAppend(&when_all, i == 0 ? "" : ",", "\"step-", i, "\"");
    absl::StrAppend(&steps, "{id=\"step-", i, "\",image=\"i\",whenAll=[\"-\"]},");
  }
  const std::string text =
      absl::StrCat("step = [", steps, "{id=\"join\",image=\"i\",whenAll=[", when_all, "]},");
  const ParseResult result = Parse(text + "]");
  ASSERT_TRUE(result.pipeline.has_value()) << result.diagnostics[0].message;
  EXPECT_EQ(result.pipeline->steps.back().dependencies.size(), 12000u);
  EXPECT_EQ(result.pipeline->steps.back().line, 1);

  const ParseResult wrong = Parse(text + "{id=5}]");
  ASSERT_EQ(wrong.diagnostics.size(), 1u);
  EXPECT_EQ(wrong.diagnostics[0].line, 1);
  EXPECT_EQ(wrong.diagnostics[0].column, static_cast<int>(text.size()) + 5);
  EXPECT_EQ(wrong.diagnostics[0].message, "\"id\" must be a string, not an integer");

  const ParseResult malformed = Parse(text + "{id=}]");
  ASSERT_EQ(malformed.diagnostics.size(), 1u);
  EXPECT_EQ(malformed.diagnostics[0].line, 1);
  EXPECT_GT(malformed.diagnostics[0].column, static_cast<int>(text.size()));
}

TEST(HostileInputTest, TwentyThousandStepsInAChain) {
  std::string text;
  for (int i = 0; i < 20000; ++i)
    absl::StrAppend(&text, "[[step]]\nid=\"s", i, "\"\nimage=\"i\"\n");
  const ParseResult result = Parse(text);
  ASSERT_TRUE(result.pipeline.has_value());
  EXPECT_EQ(result.pipeline->order.size(), 20000u);
  EXPECT_EQ(result.pipeline->order.back(), 19999);
  EXPECT_EQ(result.pipeline->steps.back().line, 19999 * 3 + 1);
  const ParseResult one_more = Parse(text + "[[step]]\nid=\"x\"\nimage=\"i\"\n");
  ASSERT_EQ(one_more.diagnostics.size(), 1u);
  EXPECT_EQ(one_more.diagnostics[0].line, 60001);
  EXPECT_EQ(one_more.diagnostics[0].message, "20001 steps are more than the maximum of 20000");
}

TEST(HostileInputTest, ThousandsOfErrorsStayShort) {
  std::string text;
  for (int i = 0; i < 10000; ++i) {
    absl::StrAppend(&text, "[[step]]\nid=\"s", i, "\"\nimage=\"i\"\nwhenAll=[\"t", i, "\"]\n");
  }
  const ParseResult result = Parse(text);
  ASSERT_EQ(result.diagnostics.size(), 21u);
  EXPECT_EQ(result.diagnostics[0].message,
            "step \"s0\" waits for \"t0\", which is not a step; did you mean \"s10\"?");
  EXPECT_EQ(result.diagnostics[20].message, "9980 more errors");
}

// Damaged pipelines, the same ones in every run: whatever comes out must be consistent.
TEST(HostileInputTest, DamagedPipelinesGiveAPipelineOrErrors) {
  const std::string seed = R"(totalTimeout = "20m"
stepTimeout = 400
push = []
[[step]]
id = "fetch" # first
image = "docker.io/alpine/git:2"
args = ["clone", '--depth=1', """x"""]
timeout = "1m30s"
[[step]]
id = "unit"
image = "oci:out"
envs = ["A=1", "B=x=y"]
workDir = "a/b"
whenAll = ["fetch"]
step = [{ id = "x", whenAll = ["-"] }, 1979-05-27T07:32:00Z, 1.5, 0xff, true]
)";
  const std::vector<std::string> pieces = {
      "[",    "]", "{",  "}",      "\"",  "'",  "\n",       "\r",    "\\", "=",
      ",",    ".", "#",  "\"\"\"", "'''", "{{", "[[step]]", "id = ", "-",  std::string(1, '\0'),
      "\xFF", "1", "e9", "_",      "\\u", " "};
  std::mt19937 random(11);
  for (int round = 0; round < 4000; ++round) {
    std::string text = seed;
    const int edits = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < edits; ++i) {
      const size_t at = random() % text.size();
      const std::string& piece = pieces[random() % pieces.size()];
      switch (random() % 3) {
        case 0:
          text.insert(at, piece);
          break;
        case 1:
          text.erase(at, 1 + random() % 20);
          break;
        default:
          text.replace(at, 1, piece);
      }
      if (text.empty()) text = "#";
    }
    const ParseResult result = Parse(text);
    const ParseResult again = Parse(text);
    bool has_error = false;
    int previous_line = 0;
    const int last_line = 2 + static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    for (const Diagnostic& diagnostic : result.diagnostics) {
      has_error = has_error || diagnostic.severity == Severity::kError;
      if (diagnostic.line == 0) continue;
      ASSERT_GE(diagnostic.line, previous_line) << text;
      ASSERT_LE(diagnostic.line, last_line) << text;
      ASSERT_GE(diagnostic.column, 1) << text;
      previous_line = diagnostic.line;
    }
    ASSERT_EQ(result.pipeline.has_value(), !has_error) << text;
    ASSERT_EQ(result.diagnostics.size(), again.diagnostics.size()) << text;
    for (size_t i = 0; i < result.diagnostics.size(); ++i) {
      ASSERT_EQ(result.diagnostics[i].message, again.diagnostics[i].message) << text;
    }
  }
}

}  // namespace
}  // namespace rally::pipeline
