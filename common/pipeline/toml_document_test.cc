#include "common/pipeline/toml_document.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> ErrorsOf(absl::string_view text) {
  DiagnosticList diagnostics;
  EXPECT_FALSE(ReadToml(text, &diagnostics).has_value());
  std::vector<std::string> lines;
  for (const Diagnostic& d : diagnostics.Sorted()) {
    lines.push_back(absl::StrCat(d.line, ":", d.column, ": ", d.message));
  }
  return lines;
}

std::string Repeat(absl::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) absl::StrAppend(&result, text);
  return result;
}

struct SyntaxCase {
  std::string name;
  std::string text;
  std::string error;
};

class TomlSyntaxTest : public ::testing::TestWithParam<SyntaxCase> {};

TEST_P(TomlSyntaxTest, IsReportedAtItsPlace) {
  EXPECT_THAT(ErrorsOf(GetParam().text), ElementsAre(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, TomlSyntaxTest,
    ::testing::Values(
        SyntaxCase{"mixed_quotes", "a = 1\nwhenAll = ['build-foo\", \"build-bar\"]\n",
                   "2:12: TOML syntax: this string is not closed"},
        SyntaxCase{"unclosed_string", "a = \"b\n", "1:5: TOML syntax: this string is not closed"},
        SyntaxCase{"unclosed_multi_line_string", "a = 1\nb = '''\nx\n\n",
                   "2:5: TOML syntax: this string is not closed"},
        SyntaxCase{"missing_bracket", "args = [\"echo\", \"x\"\nimage = \"b\"\n",
                   "2:1: TOML syntax: array: expected comma or closing ']', saw 'i'"},
        SyntaxCase{
            "no_quotes", "a = b\n",
            "1:5: TOML syntax: value: could not determine value type; a string needs quotes"},
        SyntaxCase{"duration_without_quotes", "a = 5m\n",
                   "1:6: TOML syntax: decimal integer: expected digit, saw 'm'; a string, such as "
                   "\"5m\", needs quotes"},
        SyntaxCase{"yaml", "a: 1\n",
                   "1:2: TOML syntax: key-value pair: expected '=', saw ':'; in TOML it is: key = "
                   "value"},
        SyntaxCase{"windows_path", "a = \"C:\\dir\"\n",
                   "1:9: TOML syntax: string: unknown escape sequence '\\d'; in '...' a backslash "
                   "is a backslash"},
        SyntaxCase{"key_twice", "args = []\nargs = []\n",
                   "2:8: TOML syntax: key-value pair: cannot redefine existing array 'args'"},
        SyntaxCase{"table_and_array_of_tables", "step = []\n[[step]]\n",
                   "2:1: TOML syntax: table header: cannot redefine existing array 'step' as "
                   "array-of-tables"},
        SyntaxCase{"template_around_steps", "{{ range .Values.l }}\n[[step]]\n",
                   "1:1: TOML syntax: root table: expected keys, tables, whitespace or comments, "
                   "saw '{'; templates are rendered inside strings only"},
        SyntaxCase{"template_with_quotes", "args = [\"{{ .x | default \"y\" }}\"]\n",
                   "1:27: TOML syntax: array: expected comma or closing ']', saw 'y'; templates "
                   "are rendered inside strings only"},
        SyntaxCase{"no_key_in_header", "[[a]]\n[^b]]\n",
                   "2:2: TOML syntax: key: expected bare key starting character or string "
                   "delimiter, saw '^'"},
        SyntaxCase{"letter_beyond_ascii_in_a_key", "a = 1\n\xC7\x9D = 2\n",
                   "2:1: TOML syntax: root table: expected keys, tables, whitespace or comments, "
                   "saw '\xC7\x9D'"},
        SyntaxCase{"rest_of_line", "workDir = \"a\" \"b\"",
                   "1:15: TOML syntax: key-value pair: expected a comment or whitespace, saw '\"'"},
        SyntaxCase{"no_value", "workDir =\n",
                   "1:10: TOML syntax: key-value pair: expected value, saw '\\n'"},
        SyntaxCase{"date", "timeout = 1979-99-27T07:32:00Z",
                   "1:18: TOML syntax: date: expected month between 1 and 12 (inclusive), saw 99"},
        SyntaxCase{"beyond_int64", "t = 9223372036854775808\n",
                   "1:24: TOML syntax: decimal integer: '9223372036854775808' is not "
                   "representable in 64 bits"},
        SyntaxCase{"nul", std::string("a = 1\nb = \0", 11),
                   "2:5: TOML syntax: value: unexpected control character"},
        SyntaxCase{"control_character", "a = '\x7F'",
                   "1:6: TOML syntax: literal string: control characters other than TAB (U+0009) "
                   "are explicitly prohibited"},
        SyntaxCase{"lone_carriage_return", "a = 1\rb = 2\n",
                   "1:7: TOML syntax: key-value pair: expected '\\n' after '\\r', saw 'b'"}),
    [](const auto& info) { return info.param.name; });

TEST(TomlDocumentTest, BytesThatAreNoText) {
  for (const std::string bad : {"\xFF", "\xC3", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80",
                                "\xF4\x90\x80\x80", "\xF0\x80\x80\x80", "\x80", "\xF8\x88\x80"}) {
    EXPECT_THAT(ErrorsOf("a = \"" + bad + "\""),
                ElementsAre("1:6: TOML syntax: the file is not valid UTF-8 here"));
  }
  EXPECT_THAT(ErrorsOf("\xEF\xBB\xBF# \xFF"),
              ElementsAre("1:3: TOML syntax: the file is not valid UTF-8 here"));
}

TEST(TomlDocumentTest, NoSecondByteOrderMarkIsSkipped) {
  EXPECT_THAT(ErrorsOf("\xEF\xBB\xBF\xEF\xBB\xBF"
                       "a = 1"),
              ElementsAre("1:1: TOML syntax: a second byte-order mark"));
}

TEST(TomlDocumentTest, DeepNestingStopsBeforeTheStackDoes) {
  const std::string deep = "TOML syntax: nested more than 32 deep";
  EXPECT_THAT(ErrorsOf("a = " + Repeat("[", 500000)), ElementsAre("1:37: " + deep));
  EXPECT_THAT(ErrorsOf("\na = " + Repeat("{a=", 300000)), ElementsAre("2:101: " + deep));
  EXPECT_THAT(ErrorsOf("a = " + Repeat("[{x=", 200000)), ElementsAre("1:69: " + deep));
  EXPECT_THAT(ErrorsOf(Repeat("a.", 500000) + "a = 1"), ElementsAre("1:64: " + deep));
  EXPECT_THAT(ErrorsOf("[" + Repeat("a . ", 200000) + "a]"), ElementsAre("1:128: " + deep));
}

TEST(TomlDocumentTest, ValuesAreCountedBeforeTheyCostMemory) {
  EXPECT_THAT(ErrorsOf("a = [\n" + Repeat("1,", 500000) + "]"),
              ElementsAre("2:400000: the file has more than the maximum of 200000 values"));
  DiagnosticList diagnostics;
  EXPECT_TRUE(ReadToml("a = [" + Repeat("1,", 199999) + "]", &diagnostics).has_value());
}

TEST(TomlDocumentTest, MessagesStayShortAndPrintable) {
  const std::string key(1000000, 'k');
  for (const std::string& text :
       {key + "=1\n" + key + "=1\n", std::string("\"\\u001b\"=1\n\"\\u001b\"=1\n")}) {
    const std::vector<std::string> errors = ErrorsOf(text);
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_LT(errors[0].size(), 400u);
    EXPECT_EQ(errors[0].find('\x1B'), std::string::npos);
  }
}

TEST(TomlDocumentTest, PositionsCountBytes) {
  DiagnosticList diagnostics;
  const auto document = ReadToml(
      "\xEF\xBB\xBFtop = \"\xC3\xA9\" # \xE2\x82\xAC\n[[step]]\r\nid = [\"\xF0\x9F\x98\x80\", 'b', "
      "\"\"\"\n\xC3\xA9\"\"\", 7]\n[t]\nx.y = true\n",
      &diagnostics);
  ASSERT_TRUE(document.has_value());
  const auto at = [](const TomlValue& value) {
    return absl::StrCat(value.position.line, ":", value.position.column);
  };
  ASSERT_EQ(document->entries().size(), 3u);
  EXPECT_EQ(at(document->entries()[0].value), "1:7");
  const TomlValue& step = document->entries()[1].value.elements().at(0);
  EXPECT_EQ(at(step), "2:1");
  const TomlValue& id = step.entries().at(0).value;
  EXPECT_EQ(at(id), "3:6");
  EXPECT_EQ(at(id.elements().at(1)), "3:15");
  EXPECT_EQ(at(id.elements().at(2)), "3:20");
  EXPECT_EQ(at(id.elements().at(3)), "4:8");
  EXPECT_EQ(at(document->entries()[2].value), "5:1");
}

TEST(TomlDocumentTest, BlanksAreCutBeforeLettersBeyondAscii) {
  DiagnosticList diagnostics;
  const auto document = ReadToml("a = \"\"\"x \\\n  \xC3\xA9\"\"\"\n", &diagnostics);
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->entries()[0].value.string(), "x \xC3\xA9");
  EXPECT_EQ(ErrorsOf("a = \"\"\"\\\xD1\x97\"\"\"\n").size(), 1u);
}

TEST(TomlDocumentTest, EveryTypeKeepsItsValue) {
  DiagnosticList diagnostics;
  const auto document = ReadToml(
      "a = 'text'\nb = 0x7F\nc = 1e3\nd = true\ne = 1979-05-27 07:32:00Z # then\nf = 07:32:00\n",
      &diagnostics);
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->entries()[0].value.string(), "text");
  EXPECT_EQ(document->entries()[1].value.integer(), 127);
  EXPECT_EQ(document->entries()[2].value.floating(), 1000.0);
  EXPECT_TRUE(document->entries()[3].value.boolean());
  EXPECT_EQ(document->entries()[4].value.string(), "1979-05-27 07:32:00Z");
  EXPECT_EQ(document->entries()[4].value.type(), TomlType::kDatetime);
  EXPECT_EQ(document->entries()[5].value.string(), "07:32:00");
}

}  // namespace
}  // namespace rally::pipeline
