#include "common/pipeline/default_registry.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/pipeline/push_list.h"
#include "common/pipeline/verb_use.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Step Resolve(std::vector<std::string> args, std::vector<std::string>* findings = nullptr,
             const Step& like = Step()) {
  Step step = like;
  step.id = "a";
  step.args = std::move(args);
  DiagnosticList diagnostics;
  EXPECT_TRUE(ResolveCommand(VerbTable::BuiltIn(), {{1, 1}, {}}, &step, &diagnostics));
  if (findings != nullptr) {
    for (const Diagnostic& d : diagnostics.Sorted()) findings->push_back(d.message);
  }
  return step;
}

std::string CommandLine(const Step& step) { return absl::StrJoin(step.command.args, " "); }

TEST(ApplyDefaultRegistryTest, NamesOfImagesInCommands) {
  const struct {
    std::string args;
    std::string command;
  } cases[] = {
      {"build -t eric:1 -t eric .", "build -t corp.io/eric:1 -t corp.io/eric ."},
      {"build --tag=eric:1 --tag eric:2 -teric:3 .",
       "build --tag=corp.io/eric:1 --tag corp.io/eric:2 -tcorp.io/eric:3 ."},
      {"build -t quay.io/eric -t library/eric -t localhost:5000/a .",
       "build -t quay.io/eric -t library/eric -t localhost:5000/a ."},
      {"build -t Eric -t a:1 .", "build -t Eric -t corp.io/a:1 ."},
      {"build -t eric:1 -t latest .", "build -t corp.io/eric:1 -t corp.io/eric:latest ."},
      // Only what the pipeline makes is its own.
      {"build --cache-from=ubuntu .", "build --cache-from=ubuntu ."},
      {"build --cache-from=mine:0 .", "build --cache-from=corp.io/mine:0 ."},
      {"build -t eric:1 --cache-from eric:0 .",
       "build -t corp.io/eric:1 --cache-from "
       "corp.io/eric:0 ."},
      {"build --cache-from=type=registry,ref=mine .",
       "build --cache-from=type=registry,ref=mine ."},
      {"pull ubuntu", "pull ubuntu"},
      {"tag ubuntu eric:1", "tag ubuntu corp.io/eric:1"},
      {"tag mine:1 mine:2", "tag corp.io/mine:1 corp.io/mine:2"},
      {"tag a", "tag a"},
      {"push eric:1", "push corp.io/eric:1"},
      {"push -a eric", "push -a corp.io/eric"},
      {"push --platform linux/amd64 eric", "push --platform linux/amd64 corp.io/eric"},
      {"set image deployment/d mine:7", "set image deployment/d *=corp.io/mine:7"},
      {"set image deployment/d web=mine:7 db=postgres:15",
       "set image deployment/d web=corp.io/mine:7 db=postgres:15"},
      {"docker build -t eric:1 .", "build -t corp.io/eric:1 ."},
      {"docker tag ubuntu eric:1", "tag ubuntu corp.io/eric:1"},
      {"docker push eric:1", "push corp.io/eric:1"},
      {"docker run eric:1", "run eric:1"},
      {"docker", ""},
      {"echo build -t eric:1 .", "build -t eric:1 ."},
      {"write-log push mine", "%s\\n push mine"},
      {"kubectl set image deployment/d c=mine", "set image deployment/d c=mine"},
  };
  for (const auto& c : cases) {
    std::vector<Step> steps = {Resolve(absl::StrSplit(c.args, ' '))};
    const VerbUse verb = *steps[0].verb;
    ApplyDefaultRegistry("corp.io", {"corp.io/mine:1", "quay.io/x:1"}, &steps);
    EXPECT_EQ(CommandLine(steps[0]), c.command);
    EXPECT_EQ(steps[0].verb->args, verb.args) << c.args;
  }
}

TEST(ApplyDefaultRegistryTest, WhatAStepMakesIsThePipelinesOwnInEveryStep) {
  std::vector<Step> steps = {
      Resolve({"set", "image", "deployment/d", "*=eric:1"}),
      Resolve({"build", "-t", "eric:1", "."}),
      Resolve({"tag", "eric:1", "team/eric:2"}),
      Resolve({"set", "image", "deployment/d", "a=team/eric:2", "b=team/other"}),
  };
  ApplyDefaultRegistry("corp.io", {}, &steps);
  EXPECT_EQ(CommandLine(steps[0]), "set image deployment/d *=corp.io/eric:1");
  EXPECT_EQ(CommandLine(steps[2]), "tag corp.io/eric:1 corp.io/team/eric:2");
  EXPECT_EQ(CommandLine(steps[3]), "set image deployment/d a=corp.io/team/eric:2 b=team/other");
}

TEST(ApplyDefaultRegistryTest, LeavesOtherStepsAlone) {
  Step with_image;
  with_image.image = "docker:cli";
  Step with_entry_point;
  with_entry_point.entry_point = "/bin/cat";
  for (const Step& like : {with_image, with_entry_point}) {
    std::vector<Step> steps = {Resolve({"build", "-t", "eric:1", "."}, nullptr, like)};
    ApplyDefaultRegistry("corp.io", {}, &steps);
    EXPECT_EQ(CommandLine(steps[0]), "build -t eric:1 .");
  }
  for (const std::string registry : {"", "corp", "docker.io"}) {
    std::vector<Step> steps = {Resolve({"build", "-t", "eric:1", "."})};
    ApplyDefaultRegistry(registry, {}, &steps);
    EXPECT_EQ(CommandLine(steps[0]), "build -t eric:1 .") << registry;
  }
}

TEST(ApplyDefaultRegistryTest, EveryTagOfABuildIsPushedUnderTheSameName) {
  for (const std::string text : {"eric", "eric:1", "a/b/c:2", "library/x", "quay.io/x:1",
                                 "localhost/x", "localhost:5000", "docker.io/x", "corp.iox/a"}) {
    for (const std::string registry : {"", "corp.io", "docker.io", "localhost:5000/team"}) {
      std::vector<Step> steps = {Resolve({"build", "-t", text, "."})};
      ApplyDefaultRegistry(registry, {}, &steps);
      EXPECT_EQ(*PushReference(steps[0].command.args[2], ""), *PushReference(text, registry))
          << text << " in " << registry;
    }
  }
}

// The verb steps of the user's document, with .Build.ID = 7, .Build.BranchName = main.
TEST(UserDocumentTest, ContextAndSecrets) {
  std::vector<std::string> findings;
  std::vector<Step> steps = {
      Resolve({"clone", "--depth=1", "branch==main", "https://github.com/ehotinger/fsrus"},
              &findings),
      Resolve({"curl", "https://www.ehotinger.com/recordmetrics"}, &findings),
      Resolve({"build", "-t", "eric:7", "-t", "latest", "-f", "Dockerfile", "."}, &findings),
      Resolve({"set", "image", "deployment/my-deployment", "eric:7"}, &findings),
  };
  EXPECT_THAT(findings,
              ElementsAre("clone: \"branch==main\" is taken as \"--branch=main\"",
                          "build: the tag \"latest\" after that of \"eric\" is taken as "
                          "\"eric:latest\"",
                          "set: the image \"eric:7\" is for all containers, \"*=eric:7\""));
  DiagnosticList diagnostics;
  const std::vector<std::string> push =
      NormalisePushList({"eric:7", "eric:latest"}, {}, "corp.azurecr.io", &diagnostics);
  EXPECT_THAT(push, ElementsAre("corp.azurecr.io/eric:7", "corp.azurecr.io/eric:latest"));
  ApplyDefaultRegistry("corp.azurecr.io", push, &steps);
  EXPECT_EQ(CommandLine(steps[0]),
            "clone --depth=1 --branch=main https://github.com/ehotinger/fsrus");
  EXPECT_EQ(CommandLine(steps[1]), "https://www.ehotinger.com/recordmetrics");
  EXPECT_EQ(CommandLine(steps[2]),
            "build -t corp.azurecr.io/eric:7 -t corp.azurecr.io/eric:latest -f Dockerfile .");
  EXPECT_EQ(CommandLine(steps[3]), "set image deployment/my-deployment *=corp.azurecr.io/eric:7");
  EXPECT_THAT(steps[2].verb->args,
              ElementsAre("-t", "eric:7", "-t", "eric:latest", "-f", "Dockerfile", "."));
}

TEST(UserDocumentTest, CachingAndErrorHandling) {
  std::vector<std::string> findings;
  std::vector<Step> steps = {
      Resolve({"pull", "ubuntu"}, &findings),
      Resolve(
          {"build", "-f", "Dockerfile", "https://github.com/ehotinger/foo", "--cache-from=ubuntu"},
          &findings),
      Resolve({"write-log", "7 failed"}, &findings),
  };
  EXPECT_THAT(findings, ElementsAre("build: \"https://github.com/ehotinger/foo\" is taken as the "
                                    "git repository \"https://github.com/ehotinger/foo.git\"; "
                                    "write \".git\" to say so"));
  ApplyDefaultRegistry("corp.azurecr.io", {}, &steps);
  EXPECT_EQ(CommandLine(steps[0]), "pull ubuntu");
  EXPECT_EQ(CommandLine(steps[1]),
            "build -f Dockerfile https://github.com/ehotinger/foo --cache-from=ubuntu");
  EXPECT_EQ(CommandLine(steps[2]), "%s\\n 7 failed");
}

TEST(ApplyDefaultRegistryTest, IsLinearInTheNumberOfSteps) {
  std::vector<Step> steps;
  for (int i = 0; i < 20000; ++i) {
    steps.push_back(Resolve({"build", "-t", absl::StrCat("a", i), "--cache-from",
                             absl::StrCat("a", (i + 7) % 20000), "."}));
  }
  ApplyDefaultRegistry("corp.io", {}, &steps);
  EXPECT_EQ(CommandLine(steps[19999]), "build -t corp.io/a19999 --cache-from corp.io/a6 .");
}

}  // namespace
}  // namespace rally::pipeline
