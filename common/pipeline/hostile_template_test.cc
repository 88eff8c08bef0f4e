// Templates and graphs made to stall or flood whoever parses them: each ends in an error or a
// pipeline, in time and memory that are linear in what was given.
#include <ctime>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic_lines.h"
#include "common/pipeline/parser.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Of this process; machines that are busy, and sanitizers, make it longer than it is by itself.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kMaxSeconds = 20;
#else
constexpr double kMaxSeconds = 2;
#endif

std::string Repeat(absl::string_view text, int times) {
  std::string result;
  result.reserve(text.size() * static_cast<size_t>(times));
  for (int i = 0; i < times; ++i) result.append(text.data(), text.size());
  return result;
}

ParseResult ParseInTime(const std::string& text, const Parameters& parameters = {},
                        size_t max_bytes = size_t{1} << 20) {
  ParseOptions options;
  options.limits.max_bytes = max_bytes;
  const std::clock_t before = std::clock();
  ParseResult result = Parse(text, parameters, options);
  EXPECT_LT(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC, kMaxSeconds);
  return result;
}

// One step with these args; they stand in line 4, from column 9.
std::string WithArgs(absl::string_view args) {
  return absl::StrCat("[[step]]\nid = \"a\"\nimage = \"i\"\nargs = [", args, "]\n");
}

TEST(HostileTemplateTest, NestedRangesStop) {
  EXPECT_THAT(
      Lines(ParseInTime(
          WithArgs("'{{ $l := splitList \"\" (repeat 10000 \"a\") }}{{ range $l }}{{ range $l }}"
                   "{{ range $l }}{{ end }}{{ end }}{{ end }}'"))),
      ElementsAre("4:9: args[0]: template: 1:81: the template takes more than 100000 steps"));
}

TEST(HostileTemplateTest, ManyBombsStopAtTheBoundOfTheFile) {
  const std::string bomb =
      "'{{ $l := splitList \"\" (repeat 200 \"a\") }}{{ range $l }}{{ range $l }}{{ end }}"
      "{{ end }}',";
  const ParseResult result = ParseInTime(WithArgs(Repeat(bomb, 9000)));
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_THAT(result.diagnostics[0].message,
              ::testing::MatchesRegex("args\\[[0-9]+\\]: template: [0-9:]+ the templates of this "
                                      "file take more than [0-9]+ steps"));
}

TEST(HostileTemplateTest, LongTextsStopAtTheBoundOfTheFile) {
  const ParseResult result = ParseInTime(WithArgs(Repeat("'{{ repeat 65536 \"a\" }}',", 40000)));
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_THAT(result.diagnostics[0].message,
              ::testing::MatchesRegex("args\\[[0-9]+\\]: template: [0-9:]+ the templates of this "
                                      "file give more than [0-9]+ MiB of text"));
}

TEST(HostileTemplateTest, TextsThatAreThrownAwayCostToo) {
  const ParseResult result =
      ParseInTime(WithArgs(Repeat("'{{ len (repeat 65536 \"a\") }}',", 33000)));
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_THAT(result.diagnostics[0].message,
              ::testing::HasSubstr("the templates of this file take more than"));
}

TEST(HostileTemplateTest, DoublingStops) {
  std::string doubling = "{{ $x := `aaaaaaaaaaaaaaaa` }}";
  for (int i = 0; i < 40; ++i) doubling += "{{ $x = print $x $x }}";
  EXPECT_THAT(
      Lines(ParseInTime(WithArgs("'" + doubling + "'"))),
      ElementsAre("4:9: args[0]: template: 1:303: a text of the template grows over 64 KiB"));
}

TEST(HostileTemplateTest, DeepTemplatesAreRefusedBeforeTheStackEnds) {
  const std::string deep = "blocks and parentheses nest deeper than 100";
  for (const auto& [text, column] : std::initializer_list<std::pair<std::string, int>>{
           {"{{ " + Repeat("(", 900000), 104},
           {"{{ " + Repeat("(", 400000) + "1" + Repeat(")", 400000) + " }}", 104},
           {Repeat("{{if 1}}", 100000), 803},
           {Repeat("{{with 1}}", 50000) + Repeat("{{end}}", 50000), 1003},
           {Repeat("{{range .}}", 50000), 1103},
       }) {
    EXPECT_THAT(Lines(ParseInTime(WithArgs("'" + text + "'"))),
                ElementsAre(absl::StrCat("4:9: args[0]: template: 1:", column, ": ", deep)));
  }
}

TEST(HostileTemplateTest, LongTemplatesEnd) {
  for (const std::string& text :
       {Repeat("{{1}}", 200000), Repeat("{{", 500000), "{{/*" + Repeat("*", 900000),
        "{{ " + Repeat(".a", 450000) + " }}", "{{ 1 " + Repeat("|print", 150000) + " }}",
        "{{ \"" + Repeat("a", 900000) + "\" }}", "{{ " + Repeat("9", 900000) + " }}"}) {
    const ParseResult result = ParseInTime(WithArgs("'" + text + "'"));
    EXPECT_FALSE(result.pipeline.has_value()) << text.substr(0, 20);
    ASSERT_EQ(result.diagnostics.size(), 1u) << text.substr(0, 20);
    EXPECT_EQ(result.diagnostics[0].line, 4);
    EXPECT_EQ(result.diagnostics[0].column, 9);
    EXPECT_LT(result.diagnostics[0].message.size(), 2100u);
  }
}

TEST(HostileTemplateTest, RenderedTextIsNotRenderedAgain) {
  Parameters parameters;
  parameters.sets = {"a={{ .Values.a }}{{ fail \"x\" }}", "b=x\", \"--upload-pack=evil"};
  const ParseResult result =
      ParseInTime(WithArgs("\"{{ .Values.a }}\", \"branch=={{ .Values.b }}\""), parameters);
  ASSERT_TRUE(result.pipeline.has_value());
  EXPECT_THAT(result.pipeline->steps[0].args,
              ElementsAre(parameters.sets[0].substr(2), "branch==x\", \"--upload-pack=evil"));
}

TEST(HostileTemplateTest, TwentyThousandStepsWithTemplates) {
  std::string text;
  for (int i = 0; i < 20000; ++i) {
    absl::StrAppend(&text, "[[step]]\nid=\"s{{ add ", i,
                    " 1 }}\"\nargs=[\"sh\",\"{{.Build.ID}}\"]\n");
  }
  const ParseResult result = ParseInTime(text, {}, size_t{4} << 20);
  ASSERT_TRUE(result.pipeline.has_value()) << result.diagnostics[0].message;
  EXPECT_EQ(result.pipeline->steps[19999].id, "s20000");
  EXPECT_EQ(result.pipeline->steps[19999].command.args.back(), "build-id");
  EXPECT_EQ(result.pipeline->order.back(), 19999);
}

TEST(HostileTemplateTest, FloodsOfErrorsAreCounted) {
  const ParseResult types = ParseInTime(WithArgs(Repeat("1,", 150000)));
  ASSERT_EQ(types.diagnostics.size(), 21u);
  EXPECT_EQ(types.diagnostics[19].column, 9 + 2 * 19);
  EXPECT_EQ(types.diagnostics[20].message, "149980 more errors");
  const ParseResult templates = ParseInTime(WithArgs(Repeat("'{{ foo }}',", 80000)));
  ASSERT_EQ(templates.diagnostics.size(), 21u);
  EXPECT_EQ(templates.diagnostics[20].message, "79980 more errors");
}

// Each step waits for up to `width` others.
TEST(HostileGraphTest, ManyEdges) {
  constexpr int kSteps = 2000;
  const auto graph = [](int width, bool cyclic) {
    std::string text;
    for (int i = 0; i < kSteps; ++i) {
      absl::StrAppend(&text, "[[step]]\nid=\"s", i, "\"\nimage=\"i\"\nwhenAll=[");
      for (int k = 1; k <= width; ++k) {
        if (cyclic || k <= i) absl::StrAppend(&text, "\"s", (i - k + kSteps) % kSteps, "\",");
      }
      absl::StrAppend(&text, i == 0 && !cyclic ? "\"-\"" : "", "]\n");
    }
    return text;
  };
  const ParseResult result = ParseInTime(graph(90, false), {}, size_t{16} << 20);
  ASSERT_TRUE(result.pipeline.has_value());
  EXPECT_EQ(result.pipeline->steps[1999].dependencies.size(), 90u);
  EXPECT_EQ(result.pipeline->order.back(), 1999);
  const std::vector<std::string> cyclic = Lines(ParseInTime(graph(90, true), {}, size_t{16} << 20));
  ASSERT_EQ(cyclic.size(), 1u);
  EXPECT_THAT(cyclic[0],
              testing::HasSubstr("steps wait for each other in a cycle: s0 -> s1910 -> "));
  const ParseResult million = ParseInTime(graph(500, false), {}, size_t{16} << 20);
  ASSERT_EQ(million.diagnostics.size(), 1u);
  EXPECT_THAT(million.diagnostics[0].message, testing::HasSubstr("maximum of 200000 values"));
}

TEST(HostileGraphTest, TensOfThousandsOfEverythingElse) {
  std::string envs;
  std::string secrets;
  std::string names;
  std::string pushes;
  for (int i = 0; i < 8000; ++i) {
    absl::StrAppend(&envs, "\"A", i, "=1\",");
    absl::StrAppend(&secrets, "[[secrets]]\nsecretEnv=\"S", i, "\"\nakv=\"corp\"\n");
    absl::StrAppend(&names, "\"S", i, "\",");
    absl::StrAppend(&pushes, "\"r.io/a", i, "\",");
  }
  const ParseResult result =
      ParseInTime(absl::StrCat("push=[", pushes, "]\n", WithArgs(""), "envs=[", envs,
                               "]\nsecretEnvs=[", names, "]\n", secrets));
  EXPECT_THAT(Lines(result), IsEmpty());
  ASSERT_TRUE(result.pipeline.has_value());
  EXPECT_EQ(result.pipeline->steps[0].envs.size(), 8000u);
  EXPECT_EQ(result.pipeline->steps[0].secret_envs.size(), 8000u);
  EXPECT_EQ(result.pipeline->secrets.size(), 8000u);
  EXPECT_EQ(result.pipeline->push.size(), 8000u);
}

}  // namespace
}  // namespace rally::pipeline
