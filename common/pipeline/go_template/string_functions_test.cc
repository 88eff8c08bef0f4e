#include "common/pipeline/go_template/rendering_for_test.h"
#include "gtest/gtest.h"

namespace rally::go_template {
namespace {

TEST(StringFunctionsTest, Case) {
  ExpectRendered({
      {R"({{ upper "abc ß éñ" }})", "ABC ß ÉÑ"},
      {R"({{ lower "ABC ÉÑ Σ" }})", "abc éñ σ"},
      {R"({{ upper "" }})", ""},
      {R"({{ upper "ŉ" }})", "ŉ"},
      {R"({{ lower "İ" }})", "i"},
      {R"({{ upper .Values.bytes }})", "A�B"},
  });
}

TEST(StringFunctionsTest, Trim) {
  ExpectRendered({
      {R"({{ trim "  a b\t\n" }})", "a b"},
      {R"({{ trim "\u00a0\u3000a\u2003" }})", "a"},
      {R"({{ trim "" }})", ""},
      {R"({{ trim "   " }})", ""},
      {R"({{ trimAll "-x" "-xaxx-" }})", "a"},
      {R"({{ trimAll "" "a" }})", "a"},
      {R"({{ trimAll "äé" "éäaä" }})", "a"},
      {R"({{ trimPrefix "v" "v1.2" }})", "1.2"},
      {R"({{ trimPrefix "x" "v1.2" }})", "v1.2"},
      {R"({{ trimPrefix "vv" "v" }})", "v"},
      {R"({{ trimSuffix ".git" "a/b.git" }})", "a/b"},
      {R"({{ trimSuffix "" "a" }})", "a"},
      {R"({{ "v1" | trimPrefix "v" }})", "1"},
      {R"({{ nospace " a\tb\nc " }})", "abc"},
  });
}

TEST(StringFunctionsTest, Trunc) {
  ExpectRendered({
      {R"({{ trunc 3 "abcdef" }})", "abc"},
      {R"({{ trunc 0 "abc" }})", ""},
      {R"({{ trunc 2.0 "abcdef" }})", "ab"},
      {R"({{ trunc -2.0 "abcdef" }})", "ef"},
      {R"({{ "abcdef" | trunc 0x1p1 }})", "ab"},
      {R"({{ trunc 10 "abc" }})", "abc"},
      {R"({{ trunc -3 "abcdef" }})", "def"},
      {R"({{ trunc -3 "abc" }})", "abc"},
      {R"({{ trunc -10 "abc" }})", "abc"},
      {R"({{ .Values.long | trunc 8 }})", "9f8e7d6c"},
  });
}

TEST(StringFunctionsTest, Substr) {
  ExpectRendered({
      {R"({{ substr 1 3 "abcdef" }})", "bc"},
      {R"({{ substr 0 3 "abc" }})", "abc"},
      {R"({{ substr 0 2.0 "abc" }})", "ab"},
      {R"({{ substr 1e0 2.0 "abc" }})", "b"},
      {R"({{ substr -1 2 "abcdef" }})", "ab"},
      {R"({{ substr 2 -1 "abcdef" }})", "cdef"},
      {R"({{ substr 2 99 "abcdef" }})", "cdef"},
      {R"({{ substr 3 3 "abc" }})", ""},
      {R"({{ substr 0 0 "abc" }})", ""},
  });
}

TEST(StringFunctionsTest, Repeat) {
  ExpectRendered({
      {R"({{ repeat 3 "ab" }})", "ababab"},
      {R"({{ repeat 2.0 "a" }})", "aa"},
      {R"({{ repeat -0.0 "a" }})", ""},
      {R"({{ repeat 0 "ab" }})", ""},
      {R"({{ repeat 3 "" }})", ""},
      {R"({{ "-" | repeat 5 }})", "-----"},
  });
}

TEST(StringFunctionsTest, Replace) {
  ExpectRendered({
      {R"({{ replace "a" "b" "banana" }})", "bbnbnb"},
      {R"({{ replace "/" "-" "feature/a/b" }})", "feature-a-b"},
      {R"({{ replace "aa" "b" "aaa" }})", "ba"},
      {R"({{ replace "x" "" "axbx" }})", "ab"},
      {R"({{ replace "" "-" "aé" }})", "-a-é-"},
      {R"({{ replace "" "-" "" }})", "-"},
      {R"({{ replace "none" "x" "abc" }})", "abc"},
      {R"({{ "a b" | replace " " "-" }})", "a-b"},
  });
}

TEST(StringFunctionsTest, Tests) {
  ExpectRendered({
      {R"({{ contains "b" "abc" }})", "true"},
      {R"({{ contains "x" "abc" }})", "false"},
      {R"({{ contains "" "abc" }})", "true"},
      {R"({{ contains "abcd" "abc" }})", "false"},
      {R"({{ contains "a" "" }})", "false"},
      {R"({{ hasPrefix "ab" "abc" }})", "true"},
      {R"({{ hasPrefix "b" "abc" }})", "false"},
      {R"({{ hasSuffix "bc" "abc" }})", "true"},
      {R"({{ hasSuffix "b" "abc" }})", "false"},
      {R"({{ hasPrefix "" "" }})", "true"},
  });
}

TEST(StringFunctionsTest, Quotes) {
  ExpectRendered({
      {R"({{ quote "a\"b\\\n\té" }})", "\"a\\\"b\\\\\\n\\té\""},
      {R"({{ quote "a" 1 true }})", "\"a\" \"1\" \"true\""},
      {R"({{ quote }})", ""},
      {R"({{ quote .Values.list }})", "\"[b a c]\""},
      {R"({{ quote "\u200b\U000e0001\x7f" }})", "\"\\u200b\\U000e0001\\x7f\""},
      {R"({{ quote .Values.bytes }})", "\"a\\xffb\""},
      {R"({{ squote "it's" }})", "'it's'"},
      {R"({{ squote 1 "a" }})", "'1' 'a'"},
      {R"({{ squote }})", ""},
  });
}

TEST(StringFunctionsTest, Errors) {
  ExpectRendered({
      {R"({{ upper 3 }})", "error: upper: wants a string, not an int"},
      {R"({{ lower .Values.none }})", "error: lower: .Values.none has no value"},
      {R"({{ trim .Values.list }})", "error: trim: wants a string, not a list"},
      {R"({{ nospace nil }})", "error: nospace: nil has no value"},
      {R"({{ trimAll "a" 1 }})", "error: trimAll: wants a string, not an int"},
      {R"({{ trimPrefix 1 "a" }})", "error: trimPrefix: wants a string, not an int"},
      {R"({{ trimSuffix "a" .Values.none }})", "error: trimSuffix: .Values.none has no value"},
      {R"({{ trunc "3" "a" }})", "error: trunc: wants an int, not a string"},
      {R"({{ trunc 3 4 }})", "error: trunc: wants a string, not an int"},
      {R"({{ trunc 1.5 "a" }})", "error: trunc: wants an int, not a float"},
      {R"({{ trunc 1e30 "a" }})", "error: trunc: wants an int, not a float"},
      {R"({{ trunc .Values.float "a" }})", "error: trunc: wants an int, not a float"},
      // Only a constant is an int or a float as it is needed, and only by itself.
      {R"({{ $x := 1.0 }}{{ trunc $x "a" }})", "error: trunc: wants an int, not a float"},
      {R"({{ trunc (1.0) "a" }})", "error: trunc: wants an int, not a float"},
      {R"({{ substr 2 1 "abc" }})", "error: substr: has no bytes 2 to 1 in a string of 3 bytes"},
      {R"({{ substr 4 -1 "abc" }})", "error: substr: has no bytes 4 to 3 in a string of 3 bytes"},
      {R"({{ substr -1 9 "abc" }})", "error: substr: has no bytes 0 to 9 in a string of 3 bytes"},
      {R"({{ substr "a" 1 "b" }})", "error: substr: wants an int, not a string"},
      {R"({{ substr 1 "a" "b" }})", "error: substr: wants an int, not a string"},
      {R"({{ substr 1 2 .Values.none }})", "error: substr: .Values.none has no value"},
      {R"({{ repeat -1 "a" }})", "error: repeat: has a negative count: -1"},
      {R"({{ repeat "2" "a" }})", "error: repeat: wants an int, not a string"},
      {R"({{ repeat 2 3 }})", "error: repeat: wants a string, not an int"},
      {R"({{ replace "a" "b" .Values.map }})", "error: replace: wants a string, not a map"},
      {R"({{ replace 1 "b" "c" }})", "error: replace: wants a string, not an int"},
      {R"({{ contains 1 "a" }})", "error: contains: wants a string, not an int"},
      {R"({{ contains "a" .Values.none }})", "error: contains: .Values.none has no value"},
      {R"({{ hasPrefix "a" 1 }})", "error: hasPrefix: wants a string, not an int"},
      {R"({{ hasSuffix "a" true }})", "error: hasSuffix: wants a string, not a bool"},
      {R"({{ quote .Values.none }})",
       "error: quote: a missing value has no text; .Values.none has no value"},
      {R"({{ squote .Values.none }})",
       "error: squote: a missing value has no text; .Values.none has no value"},
      {R"({{ upper }})", "error: \"upper\" takes 1 argument, not 0"},
      {R"({{ upper "a" "b" }})", "error: \"upper\" takes 1 argument, not 2"},
      {R"({{ substr 1 2 }})", "error: \"substr\" takes 3 arguments, not 2"},
  });
}

}  // namespace
}  // namespace rally::go_template
