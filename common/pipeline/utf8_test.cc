#include "common/pipeline/utf8.h"

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace rally {
namespace {

TEST(Utf8Test, ReadsCharactersOfEachSize) {
  struct Case {
    absl::string_view text;
    char32_t code;
    size_t size;
  };
  for (const Case& c : std::vector<Case>{{"a", 'a', 1},
                                         {"é!", 0xE9, 2},
                                         {"€", 0x20AC, 3},
                                         {"\U0001F600", 0x1F600, 4},
                                         {"\U0010FFFF", 0x10FFFF, 4}}) {
    const Utf8Character character = FirstCharacter(c.text);
    EXPECT_TRUE(character.valid) << c.text;
    EXPECT_EQ(character.code, c.code);
    EXPECT_EQ(character.size, c.size);
    std::string written;
    AppendUtf8(c.code, &written);
    EXPECT_EQ(written, c.text.substr(0, c.size));
  }
}

TEST(Utf8Test, TakesOneByteOfWhatIsNone) {
  for (const absl::string_view text :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
        "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xFF", "\xC3", "\xE2\x82", "\xC3("}) {
    const Utf8Character character = FirstCharacter(text);
    EXPECT_FALSE(character.valid);
    EXPECT_EQ(character.code, kReplacementCharacter);
    EXPECT_EQ(character.size, 1);
    EXPECT_FALSE(IsValidUtf8(text));
  }
  EXPECT_TRUE(IsValidUtf8("aé€\U0001F600"));
}

TEST(Utf8Test, CountsAndCutsByCharacters) {
  EXPECT_EQ(CountCharacters("aé€\xFF"), 4);
  EXPECT_EQ(CountCharacters(""), 0);
  EXPECT_EQ(FirstCharacters("aé€", 2), "aé");
  EXPECT_EQ(FirstCharacters("aé€", 9), "aé€");
  EXPECT_EQ(FirstCharacters("aé€", 0), "");
}

TEST(Utf8Test, WritesNoSurrogates) {
  std::string text;
  AppendUtf8(0xD800, &text);
  AppendUtf8(0x110000, &text);
  EXPECT_EQ(text, "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Utf8Test, CutsNoCharacterInTwo) {
  EXPECT_EQ(CutAtCharacter("aé€", 6), "aé€");
  EXPECT_EQ(CutAtCharacter("aé€", 5), "aé");
  EXPECT_EQ(CutAtCharacter("aé€", 3), "aé");
  EXPECT_EQ(CutAtCharacter("aé€", 2), "a");
  EXPECT_EQ(CutAtCharacter("€", 2), "");
  EXPECT_EQ(CutAtCharacter("\x80\x80\x80", 2), "") << "no character to cut at";
}

}  // namespace
}  // namespace rally
