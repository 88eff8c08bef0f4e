#include "common/pipeline/verb_repairs.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Position kVerbPosition = {7, 1};

struct Repaired {
  std::vector<std::string> args;
  std::vector<std::string> warnings;  // "COLUMN: MESSAGE"; the argument with index i is at i + 2.
};

Repaired Mend(absl::string_view verb, const std::vector<std::string>& args) {
  std::vector<Position> positions;
  for (size_t i = 0; i < args.size(); ++i) positions.push_back({7, static_cast<int>(i) + 2});
  DiagnosticList diagnostics;
  Repaired repaired;
  repaired.args = RepairArguments(verb, args, kVerbPosition, positions, &diagnostics);
  EXPECT_EQ(diagnostics.error_count(), 0);
  for (const Diagnostic& d : diagnostics.Sorted()) {
    repaired.warnings.push_back(absl::StrCat(d.column, ": ", d.message));
  }
  return repaired;
}

struct Case {
  std::string verb;
  std::string args;  // Joined by blanks.
  std::string result;
};

void CheckRepaired(const Case& c) {
  SCOPED_TRACE(c.args);
  const Repaired repaired = Mend(c.verb, absl::StrSplit(c.args, ' '));
  EXPECT_EQ(absl::StrJoin(repaired.args, " "), c.result);
  EXPECT_EQ(repaired.warnings.empty(), c.args == c.result)
      << absl::StrJoin(repaired.warnings, "\n");
}

TEST(VerbRepairsTest, CloneTakesBranchWithoutDashes) {
  const Case cases[] = {
      {"clone", "branch==main URL", "--branch=main URL"},
      {"clone", "branch=main URL", "--branch=main URL"},
      {"clone", "--depth=1 branch==main URL", "--depth=1 --branch=main URL"},
      {"clone", "URL branch=main", "URL --branch=main"},
      {"clone", "branch===main URL", "--branch==main URL"},
      {"clone", "branch====main URL", "--branch===main URL"},
      {"clone", "branch=a=b URL", "--branch=a=b URL"},
      {"clone", "branch=--x URL", "--branch=--x URL"},
      {"clone", "branch= URL", "URL"},
      {"clone", "branch== URL", "URL"},
      {"clone", "branch=== URL", "--branch== URL"},
      {"clone", "branch=a branch==b URL", "--branch=a --branch=b URL"},
      {"clone", "--branch=main URL", "--branch=main URL"},
      {"clone", "--branch==main URL", "--branch==main URL"},
      {"clone", "-branch==main URL", "-branch==main URL"},
      {"clone", "Branch=main URL", "Branch=main URL"},
      {"clone", "branch URL", "branch URL"},
      {"clone", "branchx=main URL", "branchx=main URL"},
      {"clone", "xbranch=main URL", "xbranch=main URL"},
      // The value of an option, and a folder's name.
      {"clone", "-b branch=x URL", "-b branch=x URL"},
      {"clone", "--origin branch=x URL branch=y", "--origin branch=x URL --branch=y"},
      {"clone", "-b -b branch=x", "-b -b --branch=x"},
      {"clone", "-- URL branch=x", "-- URL branch=x"},
      {"clone", "-b -- branch=x", "-b -- --branch=x"},
      // Other verbs.
      {"git", "clone branch==main URL", "clone branch==main URL"},
      {"echo", "branch==main", "branch==main"},
      {"curl", "branch=x", "branch=x"},
  };
  for (const Case& c : cases) CheckRepaired(c);
  EXPECT_THAT(Mend("clone", {"--depth=1", "branch==main", "branch==", "URL"}).warnings,
              ElementsAre("3: clone: \"branch==main\" is taken as \"--branch=main\"",
                          "4: clone: \"branch==\" names no branch and is left out"));
}

TEST(VerbRepairsTest, BuildGivesTheFirstNameTheTagLatest) {
  const Case cases[] = {
      {"build", "-t eric:1 -t latest -f Dockerfile .", "-t eric:1 -t eric:latest -f Dockerfile ."},
      {"build", "-t eric -t latest .", "-t eric -t eric:latest ."},
      {"build", "-t a:1 -t b:1 -t latest .", "-t a:1 -t b:1 -t a:latest ."},
      {"build", "-t a:1 . -t latest -t latest", "-t a:1 . -t a:latest -t a:latest"},
      {"build", "-t reg:5000/team/eric:1 -t latest .",
       "-t reg:5000/team/eric:1 -t reg:5000/team/eric:latest ."},
      {"build", "-t reg:5000/eric -t latest .", "-t reg:5000/eric -t reg:5000/eric:latest ."},
      {"build", "--tag=a:1 --tag=latest .", "--tag=a:1 --tag=a:latest ."},
      {"build", "--tag a:1 -tlatest .", "--tag a:1 -ta:latest ."},
      {"build", "-t latest -t a:1 .", "-t latest -t a:1 ."},
      {"build", "-t latest .", "-t latest ."},
      {"build", "-t latest -t a:1 -t latest .", "-t latest -t a:1 -t a:latest ."},
      {"build", "-t a:1 -t latest:latest .", "-t a:1 -t latest:latest ."},
      {"build", "-t a:1 -t latest:1 .", "-t a:1 -t latest:1 ."},
      {"build", "-t a:1 --target latest .", "-t a:1 --target latest ."},
      {"build", "-t a:1 latest", "-t a:1 latest"},
      {"docker", "build -t a:1 -t latest .", "build -t a:1 -t latest ."},
  };
  for (const Case& c : cases) CheckRepaired(c);
  EXPECT_THAT(
      Mend("build", {"-t", "eric:1", "-t", "latest", "."}).warnings,
      ElementsAre(
          "5: build: the tag \"latest\" after that of \"eric\" is taken as \"eric:latest\""));
}

TEST(VerbRepairsTest, BuildSpeaksOfContextsAndTags) {
  const struct {
    std::vector<std::string> args;
    std::vector<std::string> warnings;
  } cases[] = {
      {{"https://github.com/ehotinger/foo", "--cache-from=ubuntu"},
       {"2: build: \"https://github.com/ehotinger/foo\" is taken as the git repository "
        "\"https://github.com/ehotinger/foo.git\"; write \".git\" to say so"}},
      {{"https://gitlab.com/a/b/#main:dir"},
       {"2: build: \"https://gitlab.com/a/b/#main:dir\" is taken as the git repository "
        "\"https://gitlab.com/a/b.git#main:dir\"; write \".git\" to say so"}},
      {{"https://github.com/a/b.git"}, {}},
      {{"https://example.org/a"}, {}},
      {{"git@github.com:a/b"}, {}},
      {{"-t", "a:1"}, {"1: build: there is no context; write \".\" for the working directory"}},
      {{"--help"}, {}},
      {{".", "-f", "Dockerfile", "src"},
       {"5: build: a build has one context, but both \".\" and \"src\" belong to no option"}},
      {{"-t", "Eric", "."},
       {"3: build: the tag \"Eric\" is not a valid reference: a repository's name is lower case"}},
      {{"-t", "", "."}, {"3: build: the tag \"\" is not a valid reference: it is empty"}},
  };
  for (const auto& c : cases) {
    const Repaired repaired = Mend("build", c.args);
    EXPECT_EQ(repaired.args, c.args);
    EXPECT_EQ(repaired.warnings, c.warnings);
  }
}

TEST(VerbRepairsTest, SetImageIsForAllContainers) {
  const Case cases[] = {
      {"set", "image deployment/d eric:1", "image deployment/d *=eric:1"},
      {"set", "image deployment/d reg:5000/eric:1", "image deployment/d *=reg:5000/eric:1"},
      {"set", "image deployment/d a b=c d:1", "image deployment/d *=a b=c *=d:1"},
      {"set", "image deployment/d *=eric", "image deployment/d *=eric"},
      {"set", "image deployment/d web=eric:1 --record", "image deployment/d web=eric:1 --record"},
      {"set", "image deployment/d eric --record", "image deployment/d *=eric --record"},
      {"set", "-n prod image deployment/d eric", "-n prod image deployment/d *=eric"},
      {"set", "image deployment/d", "image deployment/d"},
      {"set", "env deployment/d A", "env deployment/d A"},
      {"kubectl", "set image deployment/d eric:1", "set image deployment/d eric:1"},
      {"apply", "image deployment/d eric:1", "image deployment/d eric:1"},
  };
  for (const Case& c : cases) CheckRepaired(c);
  EXPECT_THAT(Mend("set", {"image", "deployment/d", "eric:1"}).warnings,
              ElementsAre("4: set: the image \"eric:1\" is for all containers, \"*=eric:1\""));
}

TEST(VerbRepairsTest, TheVerbStandsInForMissingPositions) {
  DiagnosticList diagnostics;
  RepairArguments("clone", {"x", "branch=y"}, kVerbPosition, {{1, 1}}, &diagnostics);
  ASSERT_THAT(diagnostics.Sorted(), SizeIs(1));
  EXPECT_EQ(diagnostics.Sorted()[0].line, 7);
}

TEST(VerbRepairsTest, HostileArgumentsCostLittle) {
  constexpr size_t kMany = 50000;
  const std::string long_name(1 << 20, 'a');
  for (const std::string verb : {"clone", "build", "set"}) {
    for (const std::string word : {"-t", "latest", "branch==", "image", "-", "--", "=", "-f", ""}) {
      std::vector<std::string> args = {"image", "-t", long_name, "-t", "latest", "-t", "a"};
      args.insert(args.end(), kMany, word);
      for (size_t i = 0; i < kMany; ++i) args.push_back(i % 2 == 0 ? "-t" : "latest");
      const Repaired repaired = Mend(verb, args);
      EXPECT_LE(repaired.args.size(), args.size());
      for (const std::string& warning : repaired.warnings) EXPECT_LT(warning.size(), 500u);
    }
  }
  EXPECT_THAT(Mend("clone", {}).args, IsEmpty());
  EXPECT_THAT(Mend("set", {}).warnings, IsEmpty());
}

}  // namespace
}  // namespace rally::pipeline
