#include "controller/options.h"

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::controller {
namespace {

using ::testing::AllOf;
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

std::string OwnFile(const std::string& name, const std::string& text) {
  const std::string path = ::testing::TempDir() + "/" + name;
  std::ofstream(path) << text;
  return path;
}

std::string ConfigFile(const std::string& text) { return OwnFile("controller.toml", text); }

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

TEST(OptionsTest, BlobBudgetsAreSizesAndCounts) {
  Parsed parsed = Parse({"--insecure"});
  ASSERT_TRUE(parsed.options.has_value()) << parsed.err;
  EXPECT_EQ(parsed.options->blob_bytes, 0);
  EXPECT_EQ(parsed.options->blob_keep_free_percent, 5);
  const std::string file =
      ConfigFile("insecure = true\nblob-bytes = \"3GB\"\nblob-grace = \"20m\"\n");
  parsed = Parse({"--config", file, "--blob-files", "70000", "--keep-workspaces", "1h"});
  ASSERT_TRUE(parsed.options.has_value()) << parsed.err;
  EXPECT_EQ(parsed.options->blob_bytes, 3'000'000'000);
  EXPECT_EQ(parsed.options->blob_files, 70000);
  EXPECT_EQ(parsed.options->blob_grace, absl::Minutes(20));
  EXPECT_EQ(parsed.options->keep_workspaces, absl::Hours(1));
  for (const auto& [flag, value] :
       std::vector<std::pair<std::string, std::string>>{{"--blob-bytes", "much"},
                                                        {"--blob-files", "-1"},
                                                        {"--blob-keep-free", "91"},
                                                        {"--blob-grace", "30s"}}) {
    parsed = Parse({"--insecure", flag, value});
    EXPECT_EQ(parsed.exit_code, 2) << flag;
    EXPECT_THAT(parsed.err, HasSubstr(flag));
  }
}

TEST(OptionsTest, BlobsMayBeElsewhere) {
  Parsed parsed = Parse({"--insecure"});
  ASSERT_TRUE(parsed.options.has_value()) << parsed.err;
  EXPECT_EQ(parsed.options->blob_endpoint, "");
  parsed = Parse({"--config", ConfigFile("insecure = true\nblob-endpoint = "
                                         "\"grpcs://cache.example:9092/team/a\"\n")});
  ASSERT_TRUE(parsed.options.has_value()) << parsed.err;
  EXPECT_EQ(parsed.options->blob_endpoint, "grpcs://cache.example:9092/team/a");
  for (const auto& [flags, word] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--blob-endpoint", "cache.example:9092"}, "grpc[s]://HOST:PORT"},
           {{"--blob-endpoint", "grpc://cache.example:9092"}, "use grpcs://"},
           {{"--blob-endpoint", "grpcs://cache.example:9092/a/blobs"}, "'blobs'"},
           {{"--blob-endpoint", "grpcs://cache.example:9092", "--blob-bytes", "1GB"},
            "--blob-bytes is about blobs on the disk"},
           {{"--blob-endpoint", "grpcs://cache.example:9092", "--blob-files", "0"},
            "--blob-files is about"},
           {{"--blob-endpoint", "grpcs://cache.example:9092", "--blob-keep-free", "5"},
            "--blob-keep-free is about"},
           {{"--blob-endpoint", "grpcs://cache.example:9092", "--config",
             ConfigFile("blob-grace = \"10m\"\n")},
            "--blob-grace is about"}}) {
    std::vector<std::string> arguments = {"--insecure", "--check-config"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    parsed = Parse(arguments);
    EXPECT_EQ(parsed.exit_code, 2) << word;
    EXPECT_THAT(parsed.err, AllOf(HasSubstr("--blob-endpoint"), HasSubstr(word)));
  }
}

TEST(OptionsTest, VerbsComeFromTheFileOrFromOneOfTheirOwn) {
  const std::string text =
      "[images]\ngit = \"mirror.example/git\"\n"
      "[verbs.lint]\nimage = \"lint:1\"\nprefix = [\"lint\", \"--all\"]\n";
  const std::string verbs = OwnFile("verbs.toml", text);
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--config", ConfigFile("insecure = true\n" + text)},
        std::vector<std::string>{"--insecure", "--verbs", verbs},
        std::vector<std::string>{"--config",
                                 ConfigFile("insecure = true\nverbs = \"" + verbs + "\"\n")}}) {
    const Parsed parsed = Parse(arguments);
    ASSERT_TRUE(parsed.options.has_value()) << parsed.err;
    const pipeline::Verb* lint = parsed.options->pipelines.verbs.Find("lint");
    ASSERT_NE(lint, nullptr) << arguments[0];
    EXPECT_EQ(lint->image, "lint:1");
    EXPECT_EQ(lint->prefix, (std::vector<std::string>{"lint", "--all"}));
    EXPECT_EQ(parsed.options->pipelines.verbs.Find("clone")->image, "mirror.example/git");
  }
  EXPECT_EQ(Parse({"--insecure"}).options->pipelines.verbs.Find("lint"), nullptr);
}

TEST(OptionsTest, WhatIsWrongWithVerbsIsSaidWithItsLineInTheWholeFile) {
  const std::string config = ConfigFile("insecure = true\n\n[verbs.lint]\nimage = 7\n");
  Parsed parsed = Parse({"--config", config, "--check-config"});
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_THAT(parsed.err, AllOf(HasSubstr(config + ": line 3"), HasSubstr("line 4, column 9")));
  const std::string verbs = OwnFile("verbs.toml", "[images]\ngti = \"x\"\n");
  parsed = Parse({"--insecure", "--verbs", verbs, "--check-config"});
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_THAT(parsed.err, HasSubstr(verbs + ": line 2"));
  EXPECT_THAT(parsed.err, HasSubstr("gti"));
  parsed = Parse({"--insecure", "--verbs", verbs + ".not"});
  EXPECT_THAT(parsed.err, HasSubstr("can't open " + verbs + ".not: No such file"));
  parsed = Parse({"--config", ConfigFile("insecure = true\n[images]\ngit = \"x\"\n"), "--verbs",
                  OwnFile("verbs.toml", "[images]\ngit = \"y\"\n")});
  EXPECT_THAT(parsed.err, HasSubstr("give them in one of the two"));
}

TEST(OptionsTest, TheWaitsForLostStepsAndTheVaultsSuffix) {
  Parsed parsed = Parse({"--insecure"});
  ASSERT_TRUE(parsed.options.has_value()) << parsed.err;
  EXPECT_EQ(parsed.options->exclusive_lease, absl::Minutes(2));
  EXPECT_EQ(parsed.options->unknown_after, absl::Minutes(15));
  EXPECT_EQ(parsed.options->pipelines.vault_suffix, "vault.azure.net");
  parsed = Parse({"--insecure", "--exclusive-lease", "30s", "--unknown-after", "1h",
                  "--vault-suffix", "vault.azure.cn", "--max-step-timeout", "3h"});
  ASSERT_TRUE(parsed.options.has_value()) << parsed.err;
  EXPECT_EQ(parsed.options->exclusive_lease, absl::Seconds(30));
  EXPECT_EQ(parsed.options->unknown_after, absl::Hours(1));
  EXPECT_EQ(parsed.options->pipelines.vault_suffix, "vault.azure.cn");
  EXPECT_EQ(parsed.options->pipelines.limits.max_step_timeout, absl::Hours(3));
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
      {{"--insecure", "--exclusive-lease", "3s"}, "--exclusive-lease"},
      {{"--insecure", "--unknown-after", "0s"}, "--unknown-after"},
      {{"--insecure", "--vault-suffix", ".azure.net"}, "--vault-suffix"},
      {{"--insecure", "--vault-suffix", "a/b"}, "--vault-suffix"},
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
