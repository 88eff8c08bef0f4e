#include "common/flags/flags.h"

#include <gtest/gtest.h>

#include <fstream>
#include <vector>

namespace rally::flags {
namespace {

class FlagsTest : public ::testing::Test {
 protected:
  FlagsTest() {
    AddConfigFile(&app_);
    AddDuration(&app_, "--grace", &grace_, "how long");
    AddSize(&app_, "--room", &room_, "how much");
  }

  // "" when it was understood.
  std::string Parse(std::vector<const char*> words) {
    words.insert(words.begin(), "daemon");
    try {
      app_.parse(static_cast<int>(words.size()), words.data());
    } catch (const CLI::Error& error) {
      return DescribeMistake(app_, error);
    }
    return "";
  }
  std::string WriteFile(const std::string& text) {
    const std::string path = ::testing::TempDir() + "/daemon.toml";
    std::ofstream(path) << text;
    return path;
  }

  CLI::App app_;
  absl::Duration grace_ = absl::Seconds(10);
  int64_t room_ = int64_t{4} << 30;
};

TEST_F(FlagsTest, DurationsAreWrittenAsInAPipeline) {
  EXPECT_EQ(Parse({"--grace", "1m30s"}), "");
  EXPECT_EQ(grace_, absl::Seconds(90));
  EXPECT_EQ(Parse({"--grace", "5"}), "--grace: \"5\": missing unit in duration (write \"5s\")");
  EXPECT_NE(app_.help().find("10s"), std::string::npos) << app_.help();
}

TEST_F(FlagsTest, DurationsOfTheFile) {
  const std::string path = WriteFile("grace = \"250ms\"\n");
  EXPECT_EQ(Parse({"--config", path.c_str()}), "");
  EXPECT_EQ(grace_, absl::Milliseconds(250));
}

TEST_F(FlagsTest, SizesHaveUnits) {
  EXPECT_EQ(Parse({"--room", "200GB"}), "");
  EXPECT_EQ(room_, 200'000'000'000);
  EXPECT_EQ(Parse({"--room", "200gigs"}),
            "--room: \"200gigs\" is no size; write for example 512MiB, 4GiB or 200GB");
  EXPECT_NE(app_.help().find("--room SIZE=4GiB "), std::string::npos) << app_.help();
}

TEST_F(FlagsTest, SizesOfTheFile) {
  std::string path = WriteFile("room = \"20MiB\"\n");
  EXPECT_EQ(Parse({"--config", path.c_str()}), "");
  EXPECT_EQ(room_, 20 << 20);
  path = WriteFile("room = 4096\n");
  EXPECT_EQ(Parse({"--config", path.c_str()}), "");
  EXPECT_EQ(room_, 4096);
}

TEST_F(FlagsTest, AKeyThatIsNoFlagIsNamedWithItsFile) {
  std::string path = WriteFile("graec = \"1s\"\n");
  EXPECT_EQ(Parse({"--config", path.c_str()}),
            path +
                ": there is no key \"graec\"; did you mean grace? "
                "(the keys are the names of the flags, without the dashes)");
  path = WriteFile("something-else = 1\n");
  EXPECT_EQ(Parse({"--config", path.c_str()}),
            path +
                ": there is no key \"something-else\" "
                "(the keys are the names of the flags, without the dashes)");
}

}  // namespace
}  // namespace rally::flags
