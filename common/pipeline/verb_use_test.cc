#include "common/pipeline/verb_use.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Arguments = std::vector<std::string>;

struct Resolved {
  bool ok = false;
  Step step;
  std::vector<std::string> findings;
};

// The header is at 1:1, the argument with index i at 3:(i + 1).
Resolved Resolve(const Step& step, const VerbTable& verbs = VerbTable::BuiltIn()) {
  Resolved resolved;
  resolved.step = step;
  CommandPositions positions;
  positions.header = {1, 1};
  for (size_t i = 0; i < step.args.size(); ++i) {
    positions.args.push_back({3, static_cast<int>(i) + 1});
  }
  DiagnosticList diagnostics;
  resolved.ok = ResolveCommand(verbs, positions, &resolved.step, &diagnostics);
  for (const Diagnostic& d : diagnostics.Sorted()) {
    resolved.findings.push_back(Format(d, "f", "", false));
  }
  return resolved;
}

Step WithArgs(Arguments args, std::string entry_point = "", std::string image = "") {
  Step step;
  step.id = "a";
  step.args = std::move(args);
  step.entry_point = std::move(entry_point);
  step.image = std::move(image);
  return step;
}

// "IMAGE | ENTRY | ARG | ..."
std::string CommandLine(const Step& step) {
  return absl::StrJoin(
      {step.command.image, step.command.entry_point, absl::StrJoin(step.command.args, " | ")},
      " | ");
}

TEST(ResolveCommandTest, CommandsOfSteps) {
  const struct {
    Step step;
    std::string command;
  } cases[] = {
      // With an image, nothing is a verb.
      {WithArgs({"clone", "branch=x"}, "/bin/cat", "curlimages/curl:8.1.0"),
       "docker.io/curlimages/curl:8.1.0 | /bin/cat | clone | branch=x"},
      {WithArgs({}, "", "ubuntu"), "docker.io/library/ubuntu:latest |  | "},
      {WithArgs({"x"}, "", "oci:out/image"), "oci:out/image |  | x"},
      {WithArgs({"build", "-t", "a", "-t", "latest"}, "", "quay.io/a"),
       "quay.io/a:latest |  | build | -t | a | -t | latest"},
      // Verbs.
      {WithArgs({"clone", "URL"}), "docker.io/alpine/git:latest | git | clone | URL"},
      {WithArgs({"git", "log"}), "docker.io/alpine/git:latest | git | log"},
      {WithArgs({"git"}), "docker.io/alpine/git:latest | git | "},
      {WithArgs({"curl", "URL"}), "docker.io/curlimages/curl:latest | curl | URL"},
      {WithArgs({"build", "."}), "docker.io/rally/builder:latest | rally-builder | build | ."},
      {WithArgs({"pull", "ubuntu"}),
       "docker.io/rally/builder:latest | rally-builder | pull | ubuntu"},
      {WithArgs({"docker", "ps"}), "docker.io/rally/builder:latest | rally-builder | ps"},
      {WithArgs({"rollout", "status"}),
       "docker.io/bitnami/kubectl:latest | kubectl | rollout | status"},
      {WithArgs({"kubectl", "get"}), "docker.io/bitnami/kubectl:latest | kubectl | get"},
      {WithArgs({"sh", "-c", "a b"}), "docker.io/library/busybox:latest | sh | -c | a b"},
      {WithArgs({"echo", "a", ""}), "docker.io/library/busybox:latest | echo | a | "},
      {WithArgs({"write-log", "7 failed"}),
       "docker.io/library/busybox:latest | printf | %s\\n | 7 failed"},
      {WithArgs({"write-log", "-n", "a", "%d"}),
       "docker.io/library/busybox:latest | printf | %s\\n | -n a %d"},
      {WithArgs({"write-log"}), "docker.io/library/busybox:latest | printf | %s\\n | "},
      // An entry point takes all arguments as they are.
      {WithArgs({"clone", "branch=x"}, "/bin/cat"),
       "docker.io/alpine/git:latest | /bin/cat | clone | branch=x"},
      {WithArgs({"write-log", "a", "b"}, "/bin/cat"),
       "docker.io/library/busybox:latest | /bin/cat | write-log | a | b"},
  };
  for (const auto& c : cases) {
    const Resolved resolved = Resolve(c.step);
    EXPECT_TRUE(resolved.ok);
    EXPECT_EQ(CommandLine(resolved.step), c.command);
    EXPECT_THAT(resolved.findings, IsEmpty()) << c.command;
    EXPECT_EQ(resolved.step.verb.has_value(), c.step.image.empty());
    EXPECT_EQ(resolved.step.args, c.step.args);
  }
}

TEST(ResolveCommandTest, TheVerbHasTheArgumentsAfterIt) {
  const Resolved clone = Resolve(WithArgs({"clone", "branch==main", "URL"}));
  ASSERT_TRUE(clone.step.verb.has_value());
  EXPECT_EQ(clone.step.verb->name, "clone");
  EXPECT_THAT(clone.step.verb->args, ElementsAre("--branch=main", "URL"));
  EXPECT_EQ(CommandLine(clone.step),
            "docker.io/alpine/git:latest | git | clone | --branch=main | URL");
  EXPECT_THAT(clone.step.args, ElementsAre("clone", "branch==main", "URL"));
  EXPECT_THAT(clone.findings,
              ElementsAre("f:3:2: warning: clone: \"branch==main\" is taken as \"--branch=main\""));

  EXPECT_THAT(Resolve(WithArgs({"write-log", "a", "b"})).step.verb->args, ElementsAre("a", "b"));
  EXPECT_THAT(Resolve(WithArgs({"clone", "branch=x"}, "/bin/cat")).step.verb->args,
              ElementsAre("branch=x"));
}

TEST(ResolveCommandTest, AStepWithNothingToRunIsAnError) {
  const std::string known =
      "(known: apply, build, clone, curl, docker, echo, git, kubectl, pull, push, rollout, set, "
      "sh, tag, write-log)";
  const struct {
    Step step;
    std::string error;
  } cases[] = {
      {WithArgs({"foo"}), "f:3:1: error: step \"a\" has no image and \"foo\" is not a known verb "},
      {WithArgs({"compile", "all"}),
       "f:3:1: error: step \"a\" has no image and \"compile\" is not a known verb "},
      {WithArgs({""}), "f:3:1: error: step \"a\" has no image and \"\" is not a known verb "},
      {WithArgs({"foo"}, "/bin/cat"),
       "f:3:1: error: step \"a\" has no image and \"foo\" is not a known verb "},
      {WithArgs({}),
       "f:1:1: error: step \"a\" has no image and no args whose first could be a known verb "},
      {WithArgs({}, "/bin/cat"),
       "f:1:1: error: step \"a\" has no image and no args whose first could be a known verb "},
  };
  for (const auto& c : cases) {
    const Resolved resolved = Resolve(c.step);
    EXPECT_FALSE(resolved.ok);
    EXPECT_THAT(resolved.findings, ElementsAre(c.error + known));
    EXPECT_FALSE(resolved.step.verb.has_value());
    EXPECT_EQ(resolved.step.command.image, "");
  }
  EXPECT_THAT(Resolve(WithArgs({"Clone"})).findings,
              ElementsAre(absl::StrCat(
                  "f:3:1: error: step \"a\" has no image and \"Clone\" is not a known verb ", known,
                  "; did you mean \"clone\"?")));
}

TEST(ResolveCommandTest, VerbsComeFromTheTable) {
  const auto verbs = VerbTable::FromToml(
      "[images]\nbuilder = \"a.io/b:1\"\n"
      "[verbs.make]\nimage = \"gcc\"\nprefix = [\"make\", \"-k\"]\nkeepVerb = true\n");
  ASSERT_TRUE(verbs.ok()) << verbs.status();
  EXPECT_EQ(CommandLine(Resolve(WithArgs({"make", "all"}), *verbs).step),
            "docker.io/library/gcc:latest | make | -k | make | all");
  EXPECT_EQ(CommandLine(Resolve(WithArgs({"pull", "x"}), *verbs).step),
            "a.io/b:1 | rally-builder | pull | x");
}

TEST(ResolveCommandTest, ForgetsAnEarlierAnswer) {
  Step step = Resolve(WithArgs({"clone", "URL"})).step;
  step.args = {"foo"};
  const Resolved resolved = Resolve(step);
  EXPECT_FALSE(resolved.step.verb.has_value());
  EXPECT_EQ(CommandLine(resolved.step), " |  | ");
}

}  // namespace
}  // namespace rally::pipeline
