#include "common/pipeline/template_data.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/pipeline/go_template/budget.h"
#include "common/pipeline/go_template/value_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

using go_template::Value;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Outcome {
  std::string build;   // As `print` shows it.
  std::string values;  // The same.
  std::vector<std::string> errors;
};

Outcome BuildData(const Parameters& parameters) {
  DiagnosticList diagnostics;
  const std::optional<Value> data = BuildTemplateData(parameters, &diagnostics);
  Outcome outcome;
  for (const Diagnostic& d : diagnostics.Sorted()) {
    const std::string place = absl::StrCat(d.file, ":", d.line, ":", d.column, ": ");
    outcome.errors.push_back(absl::StrCat(d.line == 0 && d.file.empty() ? "" : place, d.message));
  }
  EXPECT_EQ(data.has_value(), outcome.errors.empty());
  if (!data.has_value()) return outcome;
  EXPECT_EQ(data->AsMap().size(), 2);
  go_template::Budget budget;
  EXPECT_TRUE(AppendText(data->AsMap().at("Build"), &budget, &outcome.build).ok());
  EXPECT_TRUE(AppendText(data->AsMap().at("Values"), &budget, &outcome.values).ok());
  return outcome;
}

Outcome BuildValues(std::vector<ValuesFile> files, std::vector<std::string> sets = {}) {
  Parameters parameters;
  parameters.values_files = std::move(files);
  parameters.sets = std::move(sets);
  return BuildData(parameters);
}

Outcome BuildFacts(std::map<std::string, std::string> build) {
  Parameters parameters;
  parameters.build = std::move(build);
  return BuildData(parameters);
}

TEST(TemplateDataTest, EveryNameOfBuildIsThere) {
  const Outcome outcome = BuildData({});
  EXPECT_EQ(outcome.build,
            "map[Branch: BranchName: Commit: Date: ID:build-id Registry: Repository: Tag: "
            "TriggeredBy:]");
  EXPECT_EQ(outcome.values, "map[]");
}

TEST(TemplateDataTest, BuildTakesWhatIsGiven) {
  const Outcome outcome = BuildFacts({{"ID", "ab12cd34"},
                                      {"Branch", "main"},
                                      {"Commit", "9f8e"},
                                      {"Tag", "v1"},
                                      {"Repository", "git@host:a"},
                                      {"TriggeredBy", "eric"},
                                      {"Registry", "reg.io"},
                                      {"Date", "20200102-030405z"}});
  EXPECT_EQ(outcome.build,
            "map[Branch:main BranchName:main Commit:9f8e Date:20200102-030405z ID:ab12cd34 "
            "Registry:reg.io Repository:git@host:a Tag:v1 TriggeredBy:eric]");
}

TEST(TemplateDataTest, BranchHasTwoNames) {
  EXPECT_THAT(BuildFacts({{"BranchName", "b"}}).build, HasSubstr("Branch:b BranchName:b"));
  EXPECT_THAT(BuildFacts({{"BranchName", "b"}, {"Branch", "b"}}).errors, IsEmpty());
  EXPECT_THAT(BuildFacts({{"BranchName", "b"}, {"Branch", "c"}}).errors,
              ElementsAre("--build \"BranchName\": says something else than \"Branch\", which is "
                          "the same"));
}

TEST(TemplateDataTest, AnUnknownNameOfBuildIsAnErrorWithASuggestion) {
  EXPECT_THAT(BuildFacts({{"QueuedBy", "x"}}).errors,
              ElementsAre(R"(--build "QueuedBy": unknown; did you mean "TriggeredBy"?)"));
  EXPECT_THAT(BuildFacts({{"BuildId", "x"}}).errors,
              ElementsAre(R"(--build "BuildId": unknown; did you mean "ID"?)"));
  EXPECT_THAT(BuildFacts({{"id", "x"}}).errors,
              ElementsAre(R"(--build "id": unknown; did you mean "ID"?)"));
  EXPECT_THAT(BuildFacts({{"Comit", "x"}}).errors,
              ElementsAre(R"(--build "Comit": unknown; did you mean "Commit"?)"));
  EXPECT_THAT(BuildFacts({{"", "x"}}).errors.at(0), HasSubstr(R"(--build "": unknown)"));
  EXPECT_THAT(
      BuildFacts({{"Whatever", "x"}}).errors,
      ElementsAre("--build \"Whatever\": unknown (known: ID, Branch, BranchName, Commit, Tag, "
                  "Repository, TriggeredBy, Registry, Date)"));
  EXPECT_THAT(BuildFacts({{"Tag", "\xFF"}}).errors,
              ElementsAre(R"(--build "Tag": not valid UTF-8)"));
  EXPECT_THAT(BuildFacts({{"Tag", std::string(4096, 'x')}}).errors, IsEmpty());
  EXPECT_THAT(BuildFacts({{"Tag", std::string(4097, 'x')}}).errors,
              ElementsAre(R"(--build "Tag": longer than 4 KiB)"));
}

TEST(TemplateDataTest, TypesOfAFileAreKept) {
  const Outcome outcome = BuildValues({{"v.toml", R"(
text = "a b"
int = 9223372036854775807
float = 3.0
large = 1e6
yes = true
when = 2020-01-02T03:04:05Z
day = 2020-01-02
list = [1, "a", [2.5], {k = "v"}]
[table]
key = "x"
[table.inner]
key = "y"
)"}});
  EXPECT_THAT(outcome.errors, IsEmpty());
  EXPECT_EQ(outcome.values,
            "map[day:2020-01-02 float:3 int:9223372036854775807 large:1e+06 "
            "list:[1 a [2.5] map[k:v]] table:map[inner:map[key:y] key:x] text:a b "
            "when:2020-01-02T03:04:05Z yes:true]");
}

TEST(TemplateDataTest, TheLaterFileWinsAtEveryDepth) {
  const Outcome outcome = BuildValues(
      {{"a.toml", "x = 1\nlist = [1, 2]\n[t]\nkept = 1\nwon = 1\n[t.u]\nkept = 1\nwon = 1"},
       {"b.toml", "y = 2\nlist = [3]\n[t]\nwon = 2\n[t.u]\nwon = \"two\""}});
  EXPECT_THAT(outcome.errors, IsEmpty());
  EXPECT_EQ(outcome.values, "map[list:[3] t:map[kept:1 u:map[kept:1 won:two] won:2] x:1 y:2]");
}

TEST(TemplateDataTest, SetsAreStringsAndWinOverFiles) {
  const Outcome outcome =
      BuildValues({{"values.toml", "n = 1\n[limits]\ncpu = \"500m\"\nmem = \"1Gi\""}},
                  {"limits.cpu=2", "n=3", "n=4", "new.a.b=c=d", "empty=", "list=a,b", "space= x "});
  EXPECT_THAT(outcome.errors, IsEmpty());
  EXPECT_EQ(outcome.values,
            "map[empty: limits:map[cpu:2 mem:1Gi] list:a,b n:4 new:map[a:map[b:c=d]] space: x ]");
  DiagnosticList diagnostics;
  Parameters parameters;
  parameters.sets = {"n=3"};
  const std::optional<Value> data = BuildTemplateData(parameters, &diagnostics);
  ASSERT_TRUE(data.has_value());
  EXPECT_TRUE(data->AsMap().at("Values").AsMap().at("n").is_string());
}

TEST(TemplateDataTest, ATableAndAnythingElseDontMerge) {
  EXPECT_THAT(BuildValues({{"values.toml", "[x]\na = 1"}}, {"x=b"}).errors,
              ElementsAre(R"("x" is a table in values.toml and a string in --set)"));
  EXPECT_THAT(BuildValues({{"values.toml", "[l]\nx = 1"}}, {"l.x.y=b"}).errors,
              ElementsAre(R"("l.x" is an integer in values.toml and a table in --set)"));
  EXPECT_THAT(BuildValues({}, {"a.b=1", "a=2"}).errors,
              ElementsAre(R"("a" is a table in --set and a string in --set)"));
  EXPECT_THAT(BuildValues({{"a.toml", "[t.x]\na = 1"}, {"b.toml", "\n[t]\nx = [1]"}}).errors,
              ElementsAre(R"(b.toml:3:5: "t.x" is a table in a.toml and an array in b.toml)"));
  EXPECT_THAT(BuildValues({{"a.toml", "t = 1.5"}, {"b.toml", "[t]\nx = 1"}}).errors,
              ElementsAre(R"(b.toml:1:1: "t" is a float in a.toml and a table in b.toml)"));
  // Of values that aren't tables the later replaces the earlier, whatever their types.
  EXPECT_EQ(BuildValues({{"a.toml", "t = 1.5"}, {"b.toml", "t = [true]"}}).values, "map[t:[true]]");
}

TEST(TemplateDataTest, EachSetIsChecked) {
  EXPECT_THAT(BuildValues({}, {"x"}).errors, ElementsAre(R"(--set "x": no "=" found)"));
  EXPECT_THAT(BuildValues({}, {""}).errors, ElementsAre(R"(--set "": no "=" found)"));
  EXPECT_THAT(BuildValues({}, {"=x"}).errors, ElementsAre(R"(--set "=x": no name before the "=")"));
  EXPECT_THAT(BuildValues({}, {"a..b=x"}).errors,
              ElementsAre(R"(--set "a..b=x": a part of the name is empty)"));
  EXPECT_THAT(BuildValues({}, {".=x"}).errors,
              ElementsAre(R"(--set ".=x": a part of the name is empty)"));
  EXPECT_THAT(BuildValues({}, {"x", "ok=1", "y"}).errors,
              ElementsAre(R"(--set "x": no "=" found)", R"(--set "y": no "=" found)"));
  EXPECT_THAT(BuildValues({}, {"a=\xC3("}).errors.at(0), HasSubstr("not valid UTF-8"));
}

TEST(TemplateDataTest, ErrorsOfAFileCarryItsName) {
  const Outcome outcome = BuildValues(
      {{"one.toml", "a = \n"}, {"two.toml", "ok = 1"}, {"three.toml", "x = 1\ny = [1, \n"}}, {"z"});
  ASSERT_EQ(outcome.errors.size(), 3);
  EXPECT_THAT(outcome.errors[0], HasSubstr(R"(--set "z": no "=" found)"));
  EXPECT_THAT(outcome.errors[1], HasSubstr("one.toml:1:"));
  EXPECT_THAT(outcome.errors[1], HasSubstr("TOML syntax: "));
  EXPECT_THAT(outcome.errors[2], HasSubstr("three.toml:3:"));
}

TEST(TemplateDataTest, IsBounded) {
  EXPECT_THAT(BuildValues({{"big.toml", "# " + std::string(1 << 20, 'x')}}).errors,
              ElementsAre("big.toml:0:0: a file of values may hold 1 MiB at most"));
  const std::string large = "# " + std::string((1 << 20) - 2, 'x');
  EXPECT_THAT(
      BuildValues({{"1", large}, {"2", large}, {"3", large}, {"4", large}, {"5", "a = 1"}}).errors,
      ElementsAre("5:0:0: the files of values may hold 4 MiB together at most"));
  EXPECT_THAT(BuildValues(std::vector<ValuesFile>(70, {"v.toml", "a = 1"})).errors,
              ElementsAre("v.toml:0:0: there are more than 64 files of values"));
  EXPECT_THAT(BuildValues({}, std::vector<std::string>(1100, "a=1")).errors,
              ElementsAre("there are more than 1000 --set"));
  EXPECT_THAT(BuildValues({}, {"a=" + std::string(70'000, 'x')}).errors.at(0),
              HasSubstr("longer than 64 KiB"));
}

TEST(TemplateDataTest, DepthIsBounded) {
  const std::string deep = absl::StrJoin(std::vector<std::string>(30, "a"), ".");
  EXPECT_THAT(BuildValues({}, {deep + "=x"}).errors, IsEmpty());
  EXPECT_THAT(BuildValues({}, {deep + ".a=x"}).errors.at(0),
              HasSubstr("more than 30 parts in the name"));
  EXPECT_THAT(BuildValues({{"v.toml", "[" + deep + "]\nb = [1]"}}).errors.at(0),
              HasSubstr("is nested more than 30 tables and arrays deep"));
  EXPECT_THAT(BuildValues({{"v.toml", "[" + deep + "]\nb.c = 1"}}).errors.at(0),
              HasSubstr("is nested more than 30 tables and arrays deep"));
}

}  // namespace
}  // namespace rally::pipeline
