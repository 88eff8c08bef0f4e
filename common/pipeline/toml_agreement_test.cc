// A second reader of TOML, that nobody here wrote either, says the same of each document. What one
// library misreads, the other shows.
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/pipeline/toml_document.h"
#include "gtest/gtest.h"
#include "toml.hpp"

namespace rally::pipeline {
namespace {

// Both trees as one kind of text; tables sorted by key.
std::string Text(const toml::value& value) {
  std::string text;
  switch (value.type()) {
    case toml::value_t::string:
      return absl::StrCat("'", value.as_string().str, "'");
    case toml::value_t::integer:
      return absl::StrCat(value.as_integer());
    case toml::value_t::floating:
      return absl::StrCat("f", value.as_floating());
    case toml::value_t::boolean:
      return value.as_boolean() ? "true" : "false";
    case toml::value_t::array:
      for (const toml::value& element : value.as_array())
        absl::StrAppend(&text, Text(element), ",");
      return absl::StrCat("[", text, "]");
    case toml::value_t::table: {
      std::map<std::string, std::string> sorted;
      for (const auto& [key, entry] : value.as_table()) sorted[key] = Text(entry);
      for (const auto& [key, entry] : sorted) absl::StrAppend(&text, key, "=", entry, ",");
      return absl::StrCat("{", text, "}");
    }
    default:
      return "date";
  }
}

std::string Text(const TomlValue& value) {
  std::string text;
  switch (value.type()) {
    case TomlType::kString:
      return absl::StrCat("'", value.string(), "'");
    case TomlType::kInteger:
      return absl::StrCat(value.integer());
    case TomlType::kFloat:
      return absl::StrCat("f", value.floating());
    case TomlType::kBoolean:
      return value.boolean() ? "true" : "false";
    case TomlType::kDatetime:
      return "date";
    case TomlType::kArray:
      for (const TomlValue& element : value.elements()) absl::StrAppend(&text, Text(element), ",");
      return absl::StrCat("[", text, "]");
    case TomlType::kTable: {
      std::map<std::string, std::string> sorted;
      for (const TomlEntry& entry : value.entries()) sorted[entry.key] = Text(entry.value);
      for (const auto& [key, entry] : sorted) absl::StrAppend(&text, key, "=", entry, ",");
      return absl::StrCat("{", text, "}");
    }
  }
  return text;
}

// "refused", or the document.
std::string BySecondReader(const std::string& document) {
  try {
    std::istringstream stream(document);
    return Text(toml::parse(stream, "document"));
  } catch (const std::exception&) {
    return "refused";
  }
}

std::string ByRally(const std::string& document) {
  DiagnosticList diagnostics;
  const auto value = ReadToml(document, &diagnostics);
  return value.has_value() ? Text(*value) : "refused";
}

TEST(TomlAgreementTest, DocumentsMeanTheSameToBoth) {
  for (const std::string document : {
           "",
           "# only a comment",
           "a = 1\nb = +17\nc = -0\nd = 1_000\ne = 0xdead_BEEF\nf = 0o755\ng = 0b1101\n",
           "a = 1.0\nb = -2.5e-3\nc = 1e10\nd = 6_0.5\n",
           "a = true\nb = false\n",
           "a = 1979-05-27T07:32:00Z\nb = 1979-05-27\nc = 07:32:00.5\nd = 1979-05-27 "
           "07:32:00+01:00\n",
           R"(a = "tab\t quote\" back\\ \u00E9 \U0001F600 \b\f\n\r")",
           R"(a = 'C:\no\escapes' # b)",
           "a = \"\"\"\nfirst line break goes\\\n   joined\n\"\"two quotes\"\" \"\"\"\"\n",
           "a = '''\nraw ' and '' \\ kept\n'''\n",
           "a = [1, 2,\n # comment\n 3,\n]\nb = []\nc = [[1], [\"x\"]]\nd = [1, 'mixed', 2.5]\n",
           "a = {x = 1, y.z = 'q'}\nb = {}\n",
           "a.b.c = 1\na.b.d = 2\n'quoted key'.\"other\" = 3\n",
           "[t]\nx = 1\n[t.u]\ny = 2\n[v.w]\nz = 3\n[v]\nq = 4\n",
           "[[step]]\nid = 'a'\n[[step]]\n[[step]]\nid = 'c'\n[step.sub]\nx = 1\n",
           "[[a]]\n[[a.b]]\nx = 1\n[[a.b]]\n[[a]]\n",
           "key = \"value\" # comment\r\nother = 1\r\n",
           "1234 = 'bare digits'\n-_ = 'dashes'\n",
           "a = \"\\u0000\"\n",
           "a = \"\xC3\xA9\"\n",
       }) {
    EXPECT_NE(ByRally(document), "refused") << document;
    EXPECT_EQ(ByRally(document), BySecondReader(document)) << document;
  }
}

TEST(TomlAgreementTest, BothRefuse) {
  for (const std::string document : {
           "a = 1\na = 2\n",
           "a = \n",
           "= 1\n",
           "a = 1 b = 2\n",
           "a = [1\nb = 2\n",
           "a = \"x\n",
           "a = 'x\"\n",
           "a = \"\\q\"\n",
           "a = 1__0\n",
           "a = 0x\n",
           "[a\nb = 1\n",
           "a = tru\n",
           "a = {x = 1,\n y = 2}\n",
           "[a]\n[a]\n",
           "a = [1]\n[[a]]\n",
           "{{ range }}\n",
           "a.b = 1\na = 2\n",
           "a = 1979-13-01\n",
           "a = \"\xFF\"\n",
           "a = 1\rb = 2\n",
           "a = {x = 1}\n[a]\ny = 2\n",
           "a = 01\n",
           "a = .5\n",
       }) {
    EXPECT_EQ(ByRally(document), "refused") << document;
    EXPECT_EQ(BySecondReader(document), "refused") << document;
  }
}

}  // namespace
}  // namespace rally::pipeline
