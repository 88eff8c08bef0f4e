#ifndef RALLY_COMMON_PIPELINE_ERROR_CASE_H_
#define RALLY_COMMON_PIPELINE_ERROR_CASE_H_

#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/pipeline/diagnostic_lines.h"
#include "common/pipeline/parameters.h"
#include "common/pipeline/parser.h"
#include "gtest/gtest.h"

namespace rally::pipeline {

// For tests: a rally.toml that is refused, and everything that is said about it.
struct ErrorCase {
  std::string name;
  std::string text;
  std::vector<std::string> lines;
  Parameters parameters = {};
};

inline void PrintTo(const ErrorCase& error_case, std::ostream* out) { *out << error_case.text; }

inline std::string NameOf(const ::testing::TestParamInfo<ErrorCase>& info) {
  return info.param.name;
}

class ParseErrorTest : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(ParseErrorTest, IsReportedAtItsPlace) {
  const ParseResult result = Parse(GetParam().text, GetParam().parameters);
  EXPECT_FALSE(result.pipeline.has_value());
  EXPECT_EQ(Lines(result), GetParam().lines);
}

// A step around what is wrong in it; the first line after it is line 4.
inline std::string InStep(absl::string_view rest) {
  return absl::StrCat("[[step]]\nid = \"a\"\nimage = \"i\"\n", rest, "\n");
}

// Three steps a, b and c; `rest` belongs to c and begins at line 10.
inline std::string InThirdStep(absl::string_view rest) {
  return absl::StrCat(
      "[[step]]\nid = \"a\"\nimage = \"i\"\n[[step]]\nid = \"b\"\nimage = \"i\"\n"
      "[[step]]\nid = \"c\"\nimage = \"i\"\n",
      rest, "\n");
}

}  // namespace rally::pipeline

#endif  // RALLY_COMMON_PIPELINE_ERROR_CASE_H_
