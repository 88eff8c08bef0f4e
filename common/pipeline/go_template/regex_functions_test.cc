#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/rendering_for_test.h"
#include "gtest/gtest.h"

namespace rally::go_template {
namespace {

TEST(RegexFunctionsTest, Match) {
  ExpectRendered({
      {R"({{ regexMatch "^v[0-9]+$" "v12" }})", "true"},
      {R"({{ regexMatch "^v[0-9]+$" "v12x" }})", "false"},
      {R"({{ regexMatch "" "a" }})", "true"},
      {R"({{ regexMatch "(?i)abc" "xABCx" }})", "true"},
      {R"({{ regexMatch "a.c" "a\nc" }})", "false"},
      {R"({{ regexMatch "é+" "caféé" }})", "true"},
      {R"({{ regexMatch "\\pL" "é" }})", "true"},
      {R"({{ regexMatch "a$" "a\n" }})", "false"},
      {R"({{ regexMatch "^[\\pL\\pN_.-]{1,63}$" "größe-1" }})", "true"},
      {R"({{ regexMatch "^\\pL{1,100}$" "größe-1" }})", "false"},
  });
}

TEST(RegexFunctionsTest, ReplaceAll) {
  ExpectRendered({
      {R"({{ regexReplaceAll "[^a-z0-9]+" "feature/my branch" "-" }})", "feature-my-branch"},
      {R"({{ regexReplaceAll "a(x*)b" "-ab-axxb-" "${1}W" }})", "-W-xxW-"},
      {R"({{ regexReplaceAll "a(x*)b" "-ab-axxb-" "$1W" }})", "---"},
      {R"t({{ regexReplaceAll "(?P<first>\\w+) (?P<second>\\w+)" "hello world" "$second $first" }})t",
       "world hello"},
      {R"({{ regexReplaceAll "a" "banana" "$$" }})", "b$n$n$"},
      {R"({{ regexReplaceAll "a" "banana" "$" }})", "b$n$n$"},
      {R"({{ regexReplaceAll "a" "ba" "${0" }})", "b${0"},
      {R"({{ regexReplaceAll "a" "ba" "$9" }})", "b"},
      {R"({{ regexReplaceAll "a" "ba" "<$0>" }})", "b<a>"},
      {R"({{ regexReplaceAll "a" "ba" "$00" }})", "b"},
      {R"({{ regexReplaceAll "a" "ba" "${é}" }})", "b"},
      {R"({{ regexReplaceAll "a" "ba" "$éa٣-$é" }})", "b-"},
      {R"({{ regexReplaceAll "a" "ba" "${é" }})", "b${é"},
      {R"({{ regexReplaceAll "a" "ba" "$€" }})", "b$€"},
      {R"t({{ regexReplaceAll "(?P<2>a)(b)" "ab" "$2" }})t", "b"},
      {R"t({{ regexReplaceAll "(a)(b)" "ab" "$2$3" }})t", "b"},
      {R"({{ regexReplaceAll "b*" "abc" "-" }})", "-a-c-"},
      {R"({{ regexReplaceAll "" "aé" "-" }})", "-a-é-"},
      {R"({{ regexReplaceAll "^" "abc" "x" }})", "xabc"},
      {R"({{ regexReplaceAll "$" "abc" "x" }})", "abcx"},
      {R"({{ regexReplaceAll "(?m)^" "a\nb" "> " }})", "> a\n> b"},
      {R"({{ regexReplaceAll "\\bfoo" "foofoo foo" "x" }})", "xfoo x"},
      {R"({{ regexReplaceAll "^a" "aaa" "x" }})", "xaa"},
      {R"({{ regexReplaceAll "(a)(b)?" "ab a" "[$2$1]" }})", "[ba] [a]"},
      {R"({{ regexReplaceAll "x" "abc" "y" }})", "abc"},
      {R"({{ regexReplaceAll "." "" "y" }})", ""},
  });
}

// Each match costs a step, but not the whole text again.
TEST(RegexFunctionsTest, ReplacesManyMatchesOfALongText) {
  const auto replace = [](absl::string_view expression, absl::string_view with) {
    return RenderedForTest(
        absl::StrCat(R"({{ $text := repeat 12000 "ab-, " }}{{ regexReplaceAll `)", expression,
                     "` $text `", with, "` | sha256sum }}"));
  };
  const auto repeated = [](absl::string_view text) {
    return RenderedForTest(absl::StrCat(R"({{ repeat 12000 ")", text, R"(" | sha256sum }})"));
  };
  EXPECT_EQ(replace(" ", "_"), repeated("ab-,_"));
  EXPECT_EQ(replace("[ab]", "x"), repeated("xx-, "));
  EXPECT_EQ(replace("[^a-z]+", "-"), repeated("ab-"));
  EXPECT_EQ(replace(R"((\w+)-(.*?) )", "$2$1;"), repeated(",ab;"));
  EXPECT_EQ(replace("(a|b)(-, )?", "$1"), repeated("ab"));
  EXPECT_EQ(replace(R"(\b)", "|"), repeated("|ab|-, "));
  EXPECT_EQ(replace("x*$", ""), repeated("ab-, "));
}

// Searches that read on to the end of the text from each match.
TEST(RegexFunctionsTest, SearchesThatReadOnAreCharged) {
  for (const absl::string_view expression : {
           "a(.*b)?",
           "a(?:.*b)?",
           "a.*b|a",
           "a|a.*b",
           "a(a+b){0,1}",
           "(?U)a(.*b)??",
           R"(a(a+b)\Q\E?)",
           "a(a+b)(?i)?",
           "a((a{2,}b)|)",
       }) {
    EXPECT_EQ(RenderedForTest(absl::StrCat(R"({{ $text := repeat 60000 "a" }}{{ regexReplaceAll `)",
                                           expression, "` $text `x` }}")),
              "error: the template takes more than 100000 steps")
        << expression;
  }
}

TEST(RegexFunctionsTest, Errors) {
  ExpectRendered({
      {R"({{ regexMatch "(" "a" }})",
       "error: regexMatch: \"(\" is no regular expression: missing ): ("},
      {R"({{ regexReplaceAll "a**" "a" "b" }})",
       "error: regexReplaceAll: \"a**\" is no regular expression: bad repetition operator: **"},
      {R"t({{ regexMatch "(?<n>a)" "a" }})t",
       "error: regexMatch: \"(?<n>a)\" is no regular expression: invalid perl operator: (?<"},
      {R"t({{ regexMatch "a(?=b)" "ab" }})t",
       "error: regexMatch: \"a(?=b)\" is no regular expression: invalid perl operator: (?="},
      {R"({{ regexMatch "\\C" "a" }})",
       "error: regexMatch: \"\\\\C\" is no regular expression: invalid escape \\C"},
      {R"({{ regexMatch "a{1001}" "a" }})",
       "error: regexMatch: \"a{1001}\" is no regular expression: invalid repetition size: {1001}"},
      {R"t({{ regexMatch "((a{100}){100})" "a" }})t",
       "error: regexMatch: \"((a{100}){100})\" is no regular expression: invalid repetition size: "
       "{100}"},
      {R"({{ regexMatch 1 "a" }})", "error: regexMatch: wants a string, not an int"},
      {R"({{ regexMatch "a" .Values.none }})", "error: regexMatch: .Values.none has no value"},
      {R"({{ regexReplaceAll "a" "b" 3 }})", "error: regexReplaceAll: wants a string, not an int"},
      {R"({{ regexReplaceAll "a" "b" }})", "error: \"regexReplaceAll\" takes 3 arguments, not 2"},
  });
}

}  // namespace
}  // namespace rally::go_template
