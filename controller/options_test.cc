#include "controller/options.h"

#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::controller {
namespace {

using ::testing::HasSubstr;

struct Parsed {
  std::optional<Options> options;
  int exit_code = -1;
  std::string out;
  std::string err;
};

Parsed Parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "rally-controller");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(&argument[0]);
  Parsed parsed;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  parsed.options = ParseOptions(static_cast<int>(argv.size()), argv.data(), &parsed.exit_code);
  parsed.out = ::testing::internal::GetCapturedStdout();
  parsed.err = ::testing::internal::GetCapturedStderr();
  return parsed;
}

std::string ConfigFile(const std::string& text) {
  const std::string path = ::testing::TempDir() + "/controller.toml";
  std::ofstream(path) << text;
  return path;
}

TEST(OptionsTest, DefaultsAreThoseOfTheDesign) {
  const Parsed parsed = Parse({"--insecure"});
  ASSERT_TRUE(parsed.options.has_value()) << parsed.err;
  EXPECT_EQ(parsed.options->data, "/var/lib/rally/controller");
  EXPECT_EQ(parsed.options->listen, "127.0.0.1:7470");
  EXPECT_EQ(parsed.options->suspect_after, absl::Seconds(6));
  EXPECT_EQ(parsed.options->lost_after, absl::Seconds(30));
  EXPECT_EQ(parsed.options->heartbeat, absl::Seconds(2));
}

TEST(OptionsTest, FlagsWinOverTheFile) {
  const std::string file =
      ConfigFile("listen = \"unix:/tmp/x\"\ninsecure = true\nlost-after = \"1m\"\n");
  Parsed parsed = Parse({"--config", file});
  ASSERT_TRUE(parsed.options.has_value()) << parsed.err;
  EXPECT_EQ(parsed.options->listen, "unix:/tmp/x");
  EXPECT_EQ(parsed.options->lost_after, absl::Minutes(1));
  parsed = Parse({"--config", file, "--lost-after", "2m"});
  ASSERT_TRUE(parsed.options.has_value()) << parsed.err;
  EXPECT_EQ(parsed.options->lost_after, absl::Minutes(2));
}

TEST(OptionsTest, WhatIsWrongIsSaidAndExits2) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "--tls-cert"},
      {{"--insecure", "--listen", "0.0.0.0:7470"}, "--insecure"},
      {{"--insecure", "--listen", "nowhere"}, "nowhere"},
      {{"--insecure", "--data", ""}, "--data"},
      {{"--insecure", "--heartbeat", "6s"}, "--heartbeat"},
      {{"--insecure", "--lost-after", "5s"}, "--suspect-after"},
      {{"--insecure", "--grace", "0s"}, "--grace"},
      {{"--insecure", "--grace", "60"}, "--grace"},
      {{"--nonsense"}, "--nonsense"},
      {{"--config", ConfigFile("insecure = true\nnonsense = 1\n")}, "nonsense"},
  };
  for (const auto& [arguments, word] : cases) {
    const Parsed parsed = Parse(arguments);
    EXPECT_FALSE(parsed.options.has_value()) << word;
    EXPECT_EQ(parsed.exit_code, 2) << word;
    EXPECT_THAT(parsed.err, HasSubstr(word));
  }
}

TEST(OptionsTest, CheckingAndAskingDoNotStartAnything) {
  Parsed parsed = Parse({"--insecure", "--check-config"});
  EXPECT_FALSE(parsed.options.has_value());
  EXPECT_EQ(parsed.exit_code, 0);
  EXPECT_THAT(parsed.out, HasSubstr("fine"));
  parsed = Parse({"--version"});
  EXPECT_EQ(parsed.exit_code, 0);
  EXPECT_THAT(parsed.out, HasSubstr("rally-controller "));
  parsed = Parse({"--help"});
  EXPECT_EQ(parsed.exit_code, 0);
  EXPECT_THAT(parsed.out, HasSubstr("--listen"));
}

}  // namespace
}  // namespace rally::controller
