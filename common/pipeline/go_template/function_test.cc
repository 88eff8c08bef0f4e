#include "common/pipeline/go_template/function.h"

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/budget.h"
#include "common/pipeline/go_template/render.h"
#include "common/pipeline/go_template/rendering_for_test.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::go_template {
namespace {

using ::testing::HasSubstr;

TEST(FunctionTest, HasEveryNameOfTheLanguageAndNoOther) {
  const std::vector<absl::string_view> expected = {
      "add",        "and",        "b64dec",    "b64enc",     "coalesce",
      "contains",   "default",    "dict",      "div",        "empty",
      "eq",         "fail",       "first",     "ge",         "gt",
      "has",        "hasKey",     "hasPrefix", "hasSuffix",  "html",
      "index",      "int",        "join",      "js",         "keys",
      "last",       "le",         "len",       "list",       "lower",
      "lt",         "max",        "min",       "mod",        "mul",
      "ne",         "nospace",    "not",       "or",         "print",
      "printf",     "println",    "quote",     "regexMatch", "regexReplaceAll",
      "repeat",     "replace",    "rest",      "sha256sum",  "slice",
      "sortAlpha",  "splitList",  "squote",    "sub",        "substr",
      "ternary",    "toJson",     "toString",  "trim",       "trimAll",
      "trimPrefix", "trimSuffix", "trunc",     "upper",      "urlquery"};
  EXPECT_EQ(FunctionNames(), expected);
}

TEST(FunctionTest, IsFoundByItsExactName) {
  for (const absl::string_view name : FunctionNames()) {
    if (name == "and" || name == "or") {
      EXPECT_EQ(FindFunction(name), nullptr) << "the evaluator's";
      continue;
    }
    const Function* function = FindFunction(name);
    ASSERT_NE(function, nullptr) << name;
    EXPECT_EQ(function->name, name);
  }
  for (const absl::string_view name :
       {"", "Upper", "uppe", "upperr", "zzz", "env", "now", "call"}) {
    EXPECT_EQ(FindFunction(name), nullptr) << name;
  }
}

TEST(FunctionTest, NoStringIsMadeThatIsTooLong) {
  const std::string too_long = "a text of the template grows over 64 KiB";
  for (const absl::string_view text : {
           R"({{ repeat 1000000000 "x" | len }})",
           R"({{ repeat 9223372036854775807 "ab" }})",
           R"({{ printf "%1000000d" 1 }})",
           R"({{ printf "%.1000000d" 1 }})",
           R"({{ printf "%-1000000s" "a" }})",
           R"({{ printf "%.1000000f" 1.5 }})",
           R"({{ printf "%.1000000x" 1.5 }})",
           R"({{ printf "%.1000000U" 65 }})",
           R"({{ printf "%#.1000000g" 1.5 }})",
           R"({{ $x := repeat 40000 "x" }}{{ print $x $x | len }})",
           R"({{ $x := repeat 40000 "x" }}{{ printf "%s%s" $x $x | len }})",
           R"({{ $x := repeat 40000 "x" }}{{ printf "%x" $x | len }})",
           R"({{ $x := splitList "" (repeat 20000 "x") }}{{ printf "%#v" $x | len }})",
           R"({{ $x := repeat 40000 "\"" }}{{ quote $x | len }})",
           R"({{ $x := repeat 40000 "<" }}{{ html $x | len }})",
           R"({{ $x := repeat 40000 "<" }}{{ js $x | len }})",
           R"({{ $x := repeat 40000 "/" }}{{ urlquery $x | len }})",
           R"({{ $x := repeat 40000 "<" }}{{ toJson $x | len }})",
           R"({{ $x := repeat 60000 "x" }}{{ b64enc $x | len }})",
           R"({{ $x := repeat 40000 "x" }}{{ replace "" "ab" $x | len }})",
           R"({{ $x := repeat 40000 "x" }}{{ join $x (list 1 2 3) | len }})",
           R"({{ $x := repeat 300 "x" }}{{ regexReplaceAll "x" $x (repeat 300 "y") | len }})",
       }) {
    EXPECT_THAT(RenderedForTest(text), HasSubstr(too_long)) << text;
  }
}

// The steps of one render bound the time and memory of everything that functions do.
TEST(FunctionTest, WorkIsCharged) {
  const std::string lists = R"({{ $x := repeat 60000 "x" }})";
  std::string groups;
  for (int i = 0; i < 300; ++i) groups += "()";
  for (
      const std::string& text : {
          lists + R"({{ len (splitList "" $x) }}{{ len (splitList "" $x) }})",
          // Doubles a tree thirty times; comparing two of them would visit each leaf.
          std::string(
              "{{ $a := list 1 }}{{ $b := list 1 }}{{ range splitList \"\" (repeat 30 \"x\") "
              "}}{{ $a = list $a $a }}{{ $b = list $b $b }}{{ end }}{{ has $a (list $b) }}"),
          lists + R"({{ range splitList "" (repeat 1000 "x") }}{{ $y := sha256sum $x }}{{ end }})",
          lists +
              R"({{ range splitList "" (repeat 1000 "x") }}{{ $y := contains "z" $x }}{{ end }})",
          lists + R"({{ range splitList "" (repeat 1000 "x") }}{{ $y := upper $x }}{{ end }})",
          lists + R"({{ regexReplaceAll "x(.*y)?" $x "y" | len }})",
          // All groups are copied for each of them, for each character.
          absl::StrCat("{{ regexReplaceAll `(?:", groups, "[a-z])*` (repeat 20000 `a`) `$300` }}"),
          std::string(
              R"({{ range splitList "" (repeat 5000 "x") }}{{ regexMatch "(a{30}){30}" "b" }}{{ end }})"),
      }) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_THAT(RenderedForTest(text), HasSubstr("steps")) << text;
    // Generous for sanitizers: without a charge each of these takes minutes, or all memory.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20)) << text;
  }
}

// Functions that leave next to nothing of all that they look at.
TEST(FunctionTest, WorkWithoutResultsIsCharged) {
  for (const std::string call : {
           "trim $blanks",
           "trimAll \" \" $blanks",
           "nospace $blanks",
           "replace \" \" \"\" $blanks",
           "js $blanks",
           "regexReplaceAll \" *\" $blanks \"\"",
           "hasKey $.Values.map $blanks",
           "index $.Values.map $blanks",
           "join \"\" $empties",
           "toString $empties",
           "toJson $empties",
           "printf \"%s\" $empties",
       }) {
    Budget budget;
    const std::string text = absl::StrCat(
        R"({{ $blanks := repeat 60000 " " }}{{ $empties := splitList "," (repeat 20000 ",") }})",
        R"({{ range splitList "" (repeat 5000 "x") }}{{ $y := )", call, " }}{{ end }}");
    const Rendered rendered = Render(text, DataForTest(), &budget);
    ASSERT_TRUE(rendered.error.has_value()) << call;
    EXPECT_EQ(rendered.error->message, "the template takes more than 100000 steps") << call;
  }
}

// Also where each render ends early, at an expression that compiles to too much.
TEST(FunctionTest, RefusedExpressionsAreChargedToAllRenders) {
  Budget budget;
  std::string last;
  for (int i = 0; i < 200; ++i) {
    budget.StartRender();
    last = Render(R"({{ regexMatch "\\pL{1000}" "a" }})", DataForTest(), &budget).error->message;
    if (i == 0) {
      EXPECT_THAT(last, HasSubstr("pattern too large"));
    }
  }
  EXPECT_THAT(last, HasSubstr("the templates of this file take more than 1000000 steps"));
}

TEST(FunctionTest, ValuesAreNotNestedWithoutLimit) {
  const std::string loop = R"({{ range splitList "" (repeat 40 "x") }})";
  EXPECT_THAT(RenderedForTest("{{ $a := 1 }}" + loop + "{{ $a = list $a }}{{ end }}"),
              HasSubstr("would put more than 32 lists and maps inside each other"));
  EXPECT_THAT(RenderedForTest("{{ $a := 1 }}" + loop + "{{ $a = dict \"k\" $a }}{{ end }}"),
              HasSubstr("would put more than 32 lists and maps inside each other"));
}

}  // namespace
}  // namespace rally::go_template
