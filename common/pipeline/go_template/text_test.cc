// The layers below the functions: Unicode, text of floats.
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/pipeline/go_template/float_text.h"
#include "common/pipeline/go_template/unicode.h"
#include "common/pipeline/go_template/value_text.h"
#include "common/pipeline/utf8.h"
#include "gtest/gtest.h"

namespace rally::go_template {
namespace {

TEST(UnicodeTest, MapsCaseOneToOne) {
  EXPECT_EQ(ToUpper('a'), U'A');
  EXPECT_EQ(ToUpper(U'é'), U'É');
  EXPECT_EQ(ToUpper(U'ÿ'), U'Ÿ');
  EXPECT_EQ(ToUpper(U'ß'), U'ß');
  EXPECT_EQ(ToUpper(U'ǆ'), U'Ǆ');
  EXPECT_EQ(ToUpper(U'я'), U'Я');
  EXPECT_EQ(ToUpper(0x10428), 0x10400u);
  EXPECT_EQ(ToLower('Z'), U'z');
  EXPECT_EQ(ToLower(U'İ'), U'i');
  EXPECT_EQ(ToLower(U'Σ'), U'σ');
  EXPECT_EQ(ToLower(U'1'), U'1');
  EXPECT_EQ(ToLower(kMaxCharacter), kMaxCharacter);
}

TEST(UnicodeTest, KnowsBlanksAndWhatCanBeSeen) {
  for (const char32_t code : {U' ', U'\t', U'\v', U'\u0085', U'\u00A0', U'\u2003', U'\u3000'}) {
    EXPECT_TRUE(IsSpace(code)) << static_cast<uint32_t>(code);
  }
  EXPECT_FALSE(IsSpace(U'\u200B'));
  for (const char32_t code : {U' ', U'~', U'é', U'€', U'\U0001F600', U'\u0301'}) {
    EXPECT_TRUE(IsPrintable(code)) << static_cast<uint32_t>(code);
  }
  for (const char32_t code :
       {U'\n', U'\x7F', U'\u00A0', U'\u00AD', U'\u200B', U'\u2028', U'\uE000', kMaxCharacter}) {
    EXPECT_FALSE(IsPrintable(code)) << static_cast<uint32_t>(code);
  }
}

struct FloatCase {
  double value;
  std::string text;
};

TEST(FloatTextTest, ShortestDigitsWithExponentsAsGoChoosesThem) {
  for (const FloatCase& c :
       std::vector<FloatCase>{{0, "0"},
                              {-0.0, "-0"},
                              {3, "3"},
                              {2.5, "2.5"},
                              {-2.5, "-2.5"},
                              {0.1, "0.1"},
                              {0.1 + 0.2, "0.30000000000000004"},
                              {100000, "100000"},
                              {999999, "999999"},
                              {999999.5, "999999.5"},
                              {1e6, "1e+06"},
                              {1234567.8, "1.2345678e+06"},
                              {12345678, "1.2345678e+07"},
                              {1e20, "1e+20"},
                              {1e21, "1e+21"},
                              {1e100, "1e+100"},
                              {0.001, "0.001"},
                              {0.0001, "0.0001"},
                              {0.00012, "0.00012"},
                              {0.00001, "1e-05"},
                              {1.5e-7, "1.5e-07"},
                              {5e-324, "5e-324"},
                              {1.7976931348623157e308, "1.7976931348623157e+308"}}) {
    EXPECT_EQ(FloatText(c.value, 'g', kShortest), c.text);
  }
}

TEST(FloatTextTest, OtherForms) {
  EXPECT_EQ(FloatText(3.14159, 'f', 2), "3.14");
  EXPECT_EQ(FloatText(2.5, 'f', 0), "2");
  EXPECT_EQ(FloatText(1e21, 'f', kShortest), "1000000000000000000000");
  EXPECT_EQ(FloatText(1234.5, 'e', 3), "1.234e+03");
  EXPECT_EQ(FloatText(1234.5, 'E', kShortest), "1.2345E+03");
  EXPECT_EQ(FloatText(1234.5, 'g', 2), "1.2e+03");
  EXPECT_EQ(FloatText(1, 'x', kShortest), "0x1p+00");
  EXPECT_EQ(FloatText(-0.1, 'X', kShortest), "-0X1.999999999999AP-04");
  EXPECT_EQ(FloatText(1.99, 'x', 0), "0x1p+01");
  EXPECT_EQ(FloatText(5e-324, 'x', kShortest), "0x1p-1074");
  EXPECT_EQ(FloatText(1.5, 'b', kShortest), "6755399441055744p-52");
  EXPECT_EQ(FloatText(5e-324, 'b', kShortest), "1p-1074");
  EXPECT_EQ(FloatText(1e300 * 1e300, 'g', kShortest), "+Inf");
  EXPECT_EQ(FloatText(-1e300 * 1e300, 'f', 2), "-Inf");
}

TEST(ValueTextTest, StopsWhereTheBudgetSaysSo) {
  Budget budget;
  std::string text(Budget::kMaxStringBytes - 2, 'x');
  EXPECT_TRUE(AppendText(Value(int64_t{12}), &budget, &text).ok());
  EXPECT_EQ(AppendText(Value(int64_t{3}), &budget, &text).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(text.size(), Budget::kMaxStringBytes);
}

}  // namespace
}  // namespace rally::go_template
