// The small parts that messages are made of: quoting, spelling, keys, and the form of a diagnostic.
#include <string>
#include <vector>

#include "common/pipeline/diagnostic.h"
#include "common/pipeline/diagnostic_list.h"
#include "common/pipeline/key_table.h"
#include "common/pipeline/quote.h"
#include "common/pipeline/spelling.h"
#include "common/pipeline/workspace_path.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

TEST(FormatTest, OneLineWithoutACaret) {
  const Diagnostic diagnostic{Severity::kError, 3, 8, "no such thing"};
  EXPECT_EQ(Format(diagnostic, "rally.toml", "a\nb\nc\n", false),
            "rally.toml:3:8: error: no such thing");
  EXPECT_EQ(Format({Severity::kWarning, 1, 1, "hm"}, "f", "", true), "f:1:1: warning: hm");
  EXPECT_EQ(Format({Severity::kError, 0, 0, "3 more errors"}, "f", "x", true),
            "f: error: 3 more errors");
}

TEST(FormatTest, TheCaretStandsBelowTheColumn) {
  EXPECT_EQ(Format({Severity::kError, 2, 6, "m"}, "f", "[[step]]\r\nid = 5\r\n", true),
            "f:2:6: error: m\n"
            "  id = 5\n"
            "       ^");
  // Two bytes, one column on the screen; tabs stay tabs.
  EXPECT_EQ(Format({Severity::kError, 1, 5, "m"}, "f", "\t\xC3\xA9=5", true),
            "f:1:5: error: m\n"
            "  \t\xC3\xA9=5\n"
            "  \t  ^");
  EXPECT_EQ(Format({Severity::kError, 1, 3, "m"}, "f",
                   "\xEF\xBB\xBF"
                   "a=5",
                   true),
            "f:1:3: error: m\n"
            "  a=5\n"
            "    ^");
}

TEST(FormatTest, ALineThatIsNotThereIsNotShown) {
  EXPECT_EQ(Format({Severity::kError, 9, 1, "m"}, "f", "a=5", true), "f:9:1: error: m");
}

TEST(FormatTest, LongLinesAreCutAndDoNotDriveTheTerminal) {
  const std::string source = "a=\x1B[31m" + std::string(100000, 'x');
  const std::string text = Format({Severity::kError, 1, 50000, "m"}, "f", source, true);
  EXPECT_LT(text.size(), 400u);
  EXPECT_EQ(Format({Severity::kError, 1, 3, "m"}, "f", "a=\x1B[31m", true),
            "f:1:3: error: m\n"
            "  a=?[31m\n"
            "    ^");
}

TEST(DiagnosticListTest, SortsAndCounts) {
  DiagnosticList list;
  for (int line = 30; line >= 1; --line) list.Error({line, 1}, "e" + std::to_string(line));
  list.Warning({2, 5}, "w");
  list.Error({2, 1}, "d");
  const std::vector<Diagnostic> sorted = list.Sorted();
  ASSERT_EQ(sorted.size(), 22u);  // 20 errors, the warning, the count.
  EXPECT_EQ(sorted[0].message, "e1");
  EXPECT_EQ(sorted[1].message, "d");
  EXPECT_EQ(sorted[2].message, "e2");
  EXPECT_EQ(sorted[3].message, "w");
  EXPECT_EQ(sorted[3].severity, Severity::kWarning);
  EXPECT_EQ(sorted[20].message, "e19");
  EXPECT_EQ(sorted[21].message, "11 more errors");
  EXPECT_EQ(sorted[21].line, 0);
  EXPECT_EQ(list.error_count(), 31);
}

TEST(DiagnosticListTest, FindingsOfOtherFilesFollowUnderTheirName) {
  DiagnosticList other;
  other.Error({1, 2}, "in the file");
  DiagnosticList list;
  list.AddAll(other, "values.toml");
  list.Error({9, 1}, "in the pipeline");
  EXPECT_EQ(list.error_count(), 2);
  const std::vector<Diagnostic> sorted = list.Sorted();
  ASSERT_EQ(sorted.size(), 2);
  EXPECT_EQ(sorted[0].file, "");
  EXPECT_EQ(sorted[0].message, "in the pipeline");
  EXPECT_EQ(sorted[1].file, "values.toml");
  EXPECT_EQ(sorted[1].line, 1);
}

// A template's `fail` may say anything, and messages travel as UTF-8.
TEST(DiagnosticListTest, MessagesAreShortAndUtf8) {
  DiagnosticList list;
  list.Error({1, 1}, "a\xFF\xC3(é");
  list.Error({2, 1}, std::string(5000, 'x'));
  const std::vector<Diagnostic> sorted = list.Sorted();
  ASSERT_EQ(sorted.size(), 2);
  EXPECT_EQ(sorted[0].message, "a\xEF\xBF\xBD\xEF\xBF\xBD(é");
  EXPECT_EQ(sorted[1].message, std::string(2000, 'x') + "...");
}

TEST(DiagnosticListTest, WarningsDoNotTakeTheErrorsPlaces) {
  DiagnosticList list;
  for (int line = 1; line <= 201; ++line) list.Warning({line, 1}, "w");
  list.Error({300, 1}, "e");
  const std::vector<Diagnostic> sorted = list.Sorted();
  ASSERT_EQ(sorted.size(), 202u);
  EXPECT_EQ(sorted[200].message, "e");
  EXPECT_EQ(sorted[201].message, "1 more warning");
  EXPECT_EQ(sorted[201].severity, Severity::kWarning);
}

TEST(QuoteTest, EscapesAndCuts) {
  EXPECT_EQ(Quote("a b"), "\"a b\"");
  EXPECT_EQ(Quote("say \"x\"\n\t\\"), "\"say \\\"x\\\"\\n\\t\\\\\"");
  EXPECT_EQ(Quote(std::string("a\0\x1B", 3)), "\"a\\x00\\x1b\"");
  EXPECT_EQ(Quote(std::string(1000, 'x')), "\"" + std::string(100, 'x') + "...\"");
  // Not inside a character: 99 bytes and the first of two.
  EXPECT_EQ(Quote(std::string(99, 'x') + "\xC3\xA9z"), "\"" + std::string(99, 'x') + "...\"");
}

TEST(SpellingTest, CountsEdits) {
  EXPECT_EQ(EditDistance("abc", "abc", 2), 0);
  EXPECT_EQ(EditDistance("complie", "compile", 2), 1);
  EXPECT_EQ(EditDistance("workDri", "workDir", 2), 1);
  EXPECT_EQ(EditDistance("exitWith", "exitedWith", 2), 2);
  EXPECT_EQ(EditDistance("ab", "", 2), 2);
  EXPECT_EQ(EditDistance("", "", 2), 0);
  EXPECT_EQ(EditDistance("abcd", "dcba", 2), 3);
  EXPECT_EQ(EditDistance("a", "abcdef", 2), 3);
}

TEST(SpellingTest, TakesTheNearest) {
  EXPECT_EQ(NearestWord("lnit", {"unit", "lint"}), "unit");  // One edit each: the earlier.
  EXPECT_EQ(NearestWord("LINT", {"unit", "lint"}), "lint");
  EXPECT_EQ(NearestWord("deploy", {"unit", "lint"}), "");
  EXPECT_EQ(NearestWord("x", {"id"}), "");  // Two edits make any two letters out of it.
}

TEST(KeyTableTest, RowsStandInTheOrderOfTheEnum) {
  int index = 0;
  for (const KeySpec& spec : AllKeys()) {
    EXPECT_EQ(static_cast<int>(spec.key), index++) << spec.name;
    EXPECT_EQ(FindKey(spec.name, spec.level), &spec);
  }
  EXPECT_EQ(index, kKeyCount);
}

TEST(KeyTableTest, UnknownKeysGetTheHintThatHelps) {
  const struct {
    KeyLevel level;
    std::string key;
    std::string rest;
  } cases[] = {
      {KeyLevel::kStep, "workDri", "in [[step]]; did you mean \"workDir\"?"},
      {KeyLevel::kStep, "workdir", "in [[step]]; did you mean \"workDir\"?"},
      {KeyLevel::kStep, "exitWith", "in [[step]]; did you mean \"exitedWith\"?"},
      {KeyLevel::kStep, "secretEnv", "in [[step]]; did you mean \"secretEnvs\"?"},
      {KeyLevel::kStep, "env", "in [[step]]; did you mean \"envs\"?"},
      {KeyLevel::kStep, "when", "in [[step]]; did you mean \"whenAll\"?"},
      {KeyLevel::kStep, "needs", "in [[step]]; did you mean \"whenAll\"?"},
      {KeyLevel::kStep, "dependsOn", "in [[step]]; did you mean \"whenAll\"?"},
      {KeyLevel::kStep, "entrypoint", "in [[step]]; did you mean \"entryPoint\"?"},
      {KeyLevel::kStep, "run", "in [[step]]; did you mean \"args\"?"},
      {KeyLevel::kStep, "ID", "in [[step]]; did you mean \"id\"?"},
      {KeyLevel::kStep, "push",
       "in [[step]]; \"push\" is a top-level key, move it above the first [[step]]"},
      {KeyLevel::kStep, "totalTimeout",
       "in [[step]]; \"totalTimeout\" is a top-level key, move it above the first [[step]]"},
      {KeyLevel::kStep, "akv", "in [[step]]; \"akv\" belongs in [[secrets]]"},
      {KeyLevel::kStep, "colour", "in [[step]]"},
      {KeyLevel::kTop, "steps", "at the top level; did you mean \"step\"?"},
      {KeyLevel::kTop, "workDir", "at the top level; \"workDir\" belongs in [[step]]"},
      {KeyLevel::kTop, "steptimeout", "at the top level; did you mean \"stepTimeout\"?"},
      {KeyLevel::kSecret, "secretEnvs", "in [[secrets]]; did you mean \"secretEnv\"?"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(UnknownKeyMessage(c.key, c.level), "unknown key \"" + c.key + "\" " + c.rest);
  }
}

TEST(WorkspacePathTest, CleansByName) {
  const struct {
    std::string path;
    std::string clean;
    bool leaves;
  } cases[] = {
      {"", "", false},
      {".", "", false},
      {"a/./b/../c", "a/c", false},
      {"a/..", "", false},
      {"a//b/", "a/b", false},
      {"../x", "../x", true},
      {"a/../../x", "../x", true},
      {"src/../../etc", "../etc", true},
      {"..", "..", true},
      {"../..", "../..", true},
      {"..x/y", "..x/y", false},
      {"/", "/", false},
      {"/../x", "/x", false},
      {"/a/./../b", "/b", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(CleanPath(c.path), c.clean) << c.path;
    EXPECT_EQ(LeavesItsStart(CleanPath(c.path)), c.leaves) << c.path;
  }
}

}  // namespace
}  // namespace rally::pipeline
