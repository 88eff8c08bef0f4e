#include "controller/config_file.h"

#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::controller {
namespace {

TEST(ConfigFileTest, TablesOfVerbsAndImagesGoToOnePartAndKeepTheirLines) {
  const ConfigParts parts = SplitConfig(
      "listen = \"unix:/x\"\n"
      "[images]\n"
      "git = \"mirror/git\"\n"
      "[verbs.lint]  # ours\n"
      "image = \"lint\"\n"
      "prefix = [\n"
      "  \"lint\",\n"
      "]\n");
  EXPECT_EQ(parts.flags, "listen = \"unix:/x\"\n\n\n\n\n\n\n\n\n");
  EXPECT_EQ(parts.verbs,
            "\n[images]\ngit = \"mirror/git\"\n[verbs.lint]  # ours\nimage = \"lint\"\n"
            "prefix = [\n  \"lint\",\n]\n\n");
}

TEST(ConfigFileTest, KeysWithDotsBelongToTheirTableAndTheFlagStaysAFlag) {
  EXPECT_EQ(SplitConfig("images.git = \"x\"").flags, "\n");
  EXPECT_EQ(SplitConfig("verbs = { lint = { image = \"x\" } }").flags, "\n");
  EXPECT_EQ(SplitConfig("verbs = \"/etc/rally/verbs.toml\"").verbs, "\n");
  EXPECT_EQ(SplitConfig("verbs-file = 1").verbs, "\n");
  EXPECT_EQ(SplitConfig("[verbsy]\nx = 1").verbs, "\n\n");
  EXPECT_EQ(SplitConfig("[other]\nimages.git = 1").verbs, "\n\n") << "a key of another table";
}

TEST(ConfigFileTest, TheReaderHandsFlagsToTheirParserAndKeepsTheRest) {
  std::string verbs;
  const ConfigFileReader reader(&verbs);
  std::istringstream file("lost-after = \"1m\"\n[images]\ngit = \"x\"\n");
  const std::vector<CLI::ConfigItem> items = reader.from_config(file);
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0].name, "lost-after");
  EXPECT_EQ(verbs, "\n[images]\ngit = \"x\"\n\n");
}

}  // namespace
}  // namespace rally::controller
