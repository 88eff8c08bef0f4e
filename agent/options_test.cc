#include "agent/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

namespace rally::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

absl::StatusOr<CommandLine> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "rally-agent");
  return ParseCommandLine(arguments.size(), arguments.data());
}

std::string ErrorOf(std::vector<const char*> arguments) {
  auto line = Parse(std::move(arguments));
  EXPECT_EQ(line.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(line.status().message());
}

TEST(OptionsTest, DefaultsComeFromTheHost) {
  auto line = Parse({"--controller", "unix:/run/rally.sock", "--insecure"});
  ASSERT_EQ(line.status(), absl::OkStatus());
  EXPECT_GE(line->options.slots, 1);
  EXPECT_NE(line->options.name, "");
  EXPECT_EQ(line->options.data, "/var/lib/rally/agent");
  EXPECT_EQ(line->options.containerd_namespace, "rally");
  EXPECT_EQ(line->options.step_memory_bytes, int64_t{4} << 30);
  EXPECT_EQ(line->options.network, runtime::StepNetwork::kNone);
}

TEST(OptionsTest, EveryFlag) {
  auto line = Parse({"--controller",
                     "127.0.0.1:7470",
                     "--insecure",
                     "--data",
                     "/d",
                     "--containerd",
                     "/c.sock",
                     "--namespace",
                     "mine",
                     "--name",
                     "host-1",
                     "--slots",
                     "3",
                     "--network",
                     "host",
                     "--step-memory",
                     "512MiB",
                     "--step-cpus",
                     "1.5",
                     "--step-pids",
                     "64",
                     "--workspace-bytes",
                     "200GiB",
                     "--workspace-keep-free",
                     "12",
                     "--label",
                     "arch=amd64",
                     "--label",
                     "zone=a=b",
                     "--kill-grace",
                     "1m30s",
                     "--blob-endpoint",
                     "grpcs://cache.example:9092/main",
                     "--check-config"});
  ASSERT_EQ(line.status(), absl::OkStatus());
  const Options& options = line->options;
  EXPECT_TRUE(line->check_config);
  EXPECT_EQ(options.data, "/d");
  EXPECT_EQ(options.containerd, "/c.sock");
  EXPECT_EQ(options.containerd_namespace, "mine");
  EXPECT_EQ(options.name, "host-1");
  EXPECT_EQ(options.slots, 3);
  EXPECT_EQ(options.network, runtime::StepNetwork::kHost);
  EXPECT_EQ(options.step_memory_bytes, 512 << 20);
  EXPECT_EQ(options.step_cpus, 1.5);
  EXPECT_EQ(options.step_pids, 64);
  EXPECT_EQ(options.workspace_bytes, int64_t{200} << 30);
  EXPECT_EQ(options.workspace_keep_free_percent, 12);
  EXPECT_EQ(options.kill_grace, absl::Seconds(90));
  EXPECT_EQ(options.blob_endpoint, "grpcs://cache.example:9092/main");
  EXPECT_THAT(options.labels, UnorderedElementsAre(Pair("arch", "amd64"), Pair("zone", "a=b")));
}

TEST(OptionsTest, FlagsWinOverTheFile) {
  const std::string path = ::testing::TempDir() + "/agent.toml";
  std::ofstream(path) << "controller = \"unix:/run/from-file.sock\"\n"
                         "insecure = true\n"
                         "slots = 7\n"
                         "step-memory = \"1GiB\"\n"
                         "label = [\"a=1\", \"b=2\"]\n";
  auto line = Parse({"--config", path.c_str(), "--slots", "2"});
  ASSERT_EQ(line.status(), absl::OkStatus());
  EXPECT_EQ(line->options.controller, "unix:/run/from-file.sock");
  EXPECT_TRUE(line->options.security.insecure);
  EXPECT_EQ(line->options.slots, 2);
  EXPECT_EQ(line->options.step_memory_bytes, int64_t{1} << 30);
  EXPECT_THAT(line->options.labels, UnorderedElementsAre(Pair("a", "1"), Pair("b", "2")));
}

TEST(OptionsTest, AnUnknownKeyOfTheFileIsAnError) {
  const std::string path = ::testing::TempDir() + "/unknown.toml";
  std::ofstream(path) << "controller = \"unix:/x\"\ninsecure = true\nslotz = 7\n";
  EXPECT_THAT(ErrorOf({"--config", path.c_str()}),
              HasSubstr(path + ": there is no key \"slotz\"; did you mean slots?"));
}

TEST(OptionsTest, MistakesAreNamed) {
  EXPECT_THAT(ErrorOf({}), HasSubstr("--controller is missing"));
  EXPECT_THAT(ErrorOf({"--controller", "ci.example.org:7470", "--insecure"}),
              HasSubstr("plaintext is allowed only on loopback"));
  EXPECT_THAT(ErrorOf({"--controller", "ci.example.org:7470"}), HasSubstr("--tls-cert"));
  EXPECT_THAT(ErrorOf({"--controller", "nonsense", "--insecure"}), HasSubstr("nonsense"));
  const std::vector<std::pair<std::vector<const char*>, const char*>> rows = {
      {{"--network", "bridge"}, "none or host"},
      {{"--step-memory", "4 gigs"}, "4GiB"},
      {{"--step-memory", "1MiB"}, "6MiB"},
      {{"--label", "novalue"}, "name=value"},
      {{"--slots", "-1"}, "--slots"},
      {{"--slots", "many"}, "--slots"},
      {{"--data", "relative"}, "absolute"},
      {{"--name", "two words"}, "--name"},
      {{"--step-cpus", "-2"}, "--step-cpus"},
      {{"--namespace", "two--dashes"}, "--namespace"},
      {{"--namespace", "ends_"}, "--namespace"},
      {{"--kill-grace", "10"}, "write \"10s\""},
      {{"--kill-grace", "2h"}, "--kill-grace"},
      {{"--blob-endpoint", "cache:9092"}, "grpc[s]://HOST:PORT"},
      {{"--blob-endpoint", "grpc://cache.example:9092"}, "use grpcs://"},
      {{"--nonsense"}, "--nonsense"},
  };
  for (const auto& [flags, message] : rows) {
    std::vector<const char*> arguments = {"--controller", "unix:/x", "--insecure"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    EXPECT_THAT(ErrorOf(arguments), HasSubstr(message)) << flags[0];
  }
}

TEST(OptionsTest, HelpAndVersionStartNothing) {
  auto help = Parse({"--help"});
  ASSERT_EQ(help.status(), absl::OkStatus());
  EXPECT_TRUE(help->only_print);
  EXPECT_THAT(help->text, HasSubstr("--controller"));
  auto version = Parse({"--version"});
  ASSERT_EQ(version.status(), absl::OkStatus());
  EXPECT_TRUE(version->only_print);
  EXPECT_THAT(version->text, HasSubstr("rally-agent 0."));
}

}  // namespace
}  // namespace rally::agent
