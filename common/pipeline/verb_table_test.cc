#include "common/pipeline/verb_table.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// "IMAGE: PREFIX VERB joined"
std::string Describe(const VerbTable& table, absl::string_view name) {
  const Verb* verb = table.Find(name);
  if (verb == nullptr) return "";
  return absl::StrCat(verb->image, ": ", absl::StrJoin(verb->prefix, " "),
                      verb->keep_verb ? " VERB" : "", verb->join_rest ? " joined" : "");
}

TEST(VerbTableTest, BuiltInVerbs) {
  const struct {
    std::string name;
    std::string verb;
  } cases[] = {
      {"clone", "docker.io/alpine/git: git VERB"},
      {"git", "docker.io/alpine/git: git"},
      {"curl", "docker.io/curlimages/curl: curl"},
      {"build", "docker.io/rally/builder: rally-builder VERB"},
      {"pull", "docker.io/rally/builder: rally-builder VERB"},
      {"tag", "docker.io/rally/builder: rally-builder VERB"},
      {"push", "docker.io/rally/builder: rally-builder VERB"},
      {"docker", "docker.io/rally/builder: rally-builder"},
      {"set", "docker.io/bitnami/kubectl: kubectl VERB"},
      {"apply", "docker.io/bitnami/kubectl: kubectl VERB"},
      {"rollout", "docker.io/bitnami/kubectl: kubectl VERB"},
      {"kubectl", "docker.io/bitnami/kubectl: kubectl"},
      {"sh", "docker.io/library/busybox: sh"},
      {"echo", "docker.io/library/busybox: echo"},
      {"write-log", "docker.io/library/busybox: printf %s\\n joined"},
  };
  const VerbTable table = VerbTable::BuiltIn();
  for (const auto& c : cases) EXPECT_EQ(Describe(table, c.name), c.verb) << c.name;
  EXPECT_THAT(table.Names(),
              ElementsAre("apply", "build", "clone", "curl", "docker", "echo", "git", "kubectl",
                          "pull", "push", "rollout", "set", "sh", "tag", "write-log"));
  for (const std::string unknown : {"", "Clone", "clone ", "bash"}) {
    EXPECT_EQ(table.Find(unknown), nullptr) << unknown;
  }
}

TEST(VerbTableTest, AnEmptyTextIsTheBuiltInTable) {
  const auto table = VerbTable::FromToml("");
  ASSERT_TRUE(table.ok()) << table.status();
  const VerbTable built_in = VerbTable::BuiltIn();
  ASSERT_EQ(table->Names(), built_in.Names());
  for (const absl::string_view name : built_in.Names()) {
    EXPECT_EQ(Describe(*table, name), Describe(built_in, name));
  }
}

TEST(VerbTableTest, ConfigurationGoesOverTheBuiltInTable) {
  const auto table = VerbTable::FromToml(R"(
[images]
git = "mirror.example.org/git:2"
shell = "oci:tools/busybox"

[verbs.curl]
image = "mirror.example.org/curl"

[verbs.build]
prefix = ["buildah", "--quiet"]

[verbs.push]
image = "quay.io/podman/stable"
prefix = ["podman"]
keepVerb = true

[verbs.kubectl]
keepVerb = true

[verbs.write-log]
prefix = ["echo"]

[verbs]
terraform = { image = "hashicorp/terraform:1", prefix = ["terraform"] }
bash = { image = "shell", prefix = ["sh", "-e"] }
)");
  ASSERT_TRUE(table.ok()) << table.status();
  const struct {
    std::string name;
    std::string verb;
  } cases[] = {
      {"clone", "mirror.example.org/git:2: git VERB"},
      {"git", "mirror.example.org/git:2: git"},
      {"sh", "oci:tools/busybox: sh"},
      {"curl", "mirror.example.org/curl: curl"},
      {"build", "docker.io/rally/builder: buildah --quiet"},
      {"push", "quay.io/podman/stable: podman VERB"},
      {"pull", "docker.io/rally/builder: rally-builder VERB"},
      {"kubectl", "docker.io/bitnami/kubectl: kubectl VERB"},
      {"write-log", "oci:tools/busybox: echo"},
      {"terraform", "hashicorp/terraform:1: terraform"},
      {"bash", "oci:tools/busybox: sh -e"},
  };
  for (const auto& c : cases) EXPECT_EQ(Describe(*table, c.name), c.verb) << c.name;
  EXPECT_EQ(table->Names().size(), 17u);
}

TEST(VerbTableTest, ImagesMayComeAfterTheVerbsThatUseThem) {
  const auto table = VerbTable::FromToml(
      "[verbs.hub]\nimage = \"git\"\nprefix = [\"hub\"]\n[images]\ngit = \"a.io/git\"\n");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(Describe(*table, "hub"), "a.io/git: hub");
}

TEST(VerbTableTest, ErrorsNameTheirLine) {
  const struct {
    std::string text;
    std::string message;
  } cases[] = {
      {"image = 1", "line 1, column 9: unknown key \"image\"; did you mean \"images\"?"},
      {"\nfoo = 1", "line 2, column 7: unknown key \"foo\""},
      {"images = 1", "line 1, column 10: [images] must be a table, not an integer"},
      {"verbs = []", "line 1, column 9: [verbs] must be a table, not an array"},
      {"[images]\ngti = \"a\"",
       "line 2, column 7: unknown image key \"gti\"; did you mean \"git\"?"},
      {"[images]\ngit = 1", "line 2, column 7: \"images.git\" must be a string, not an integer"},
      {"[images]\ngit = \"Git\"",
       "line 2, column 7: git \"Git\" is not a valid reference: a repository's name is lower case"},
      {"[images]\ngit = \"oci:../x\"",
       "line 2, column 7: git \"oci:../x\" is not a valid reference: the path leaves the "
       "workspace"},
      {"[verbs]\nx = 1", "line 2, column 5: [verbs.x] must be a table, not an integer"},
      {"[verbs.x]\nprefix = [\"x\"]", "line 1, column 1: [verbs.x] has no \"image\""},
      {"[verbs.x]\nimage = \"x\"", "line 1, column 1: [verbs.x] has no \"prefix\""},
      {"[verbs.git]\nimage = 1", "line 2, column 9: \"image\" must be a string, not an integer"},
      {"[verbs.git]\nimage = \"\"",
       "line 2, column 9: image \"\" is not a valid reference: it is empty"},
      {"[verbs.git]\nkeepverb = true",
       "line 2, column 12: unknown key \"keepverb\" in [verbs.git]; did you mean \"keepVerb\"?"},
      {"[verbs.git]\nkeepVerb = 1",
       "line 2, column 12: \"keepVerb\" must be a boolean, not an integer"},
      {"[verbs.git]\nprefix = \"git\"",
       "line 2, column 10: \"prefix\" must be an array of strings, not a string"},
      {"[verbs.git]\nprefix = [\"git\", 1]",
       "line 2, column 18: \"prefix[1]\" must be a string, not an integer"},
      {"[verbs.git]\nprefix = []",
       "line 2, column 10: prefix must begin with the name of a program"},
      {"[verbs.git]\nprefix = [\"\", \"x\"]",
       "line 2, column 10: prefix must begin with the name of a program"},
      {"[verbs.git]\nprefix = [\"a\\u0000\"]",
       "line 2, column 11: prefix[0] \"a\\x00\" holds a NUL byte, which no program can be given"},
      {"[verbs.\"a b\"]\nimage = \"a\"", "line 1, column 1: the verb \"a b\" may hold only"},
      {"[verbs.\"\"]\nimage = \"a\"", "line 1, column 1: the verb \"\" may hold only"},
      {"[verbs.git", "TOML syntax"},
  };
  for (const auto& c : cases) {
    const auto table = VerbTable::FromToml(c.text);
    ASSERT_FALSE(table.ok()) << c.text;
    EXPECT_EQ(table.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(table.status().message()), HasSubstr(c.message)) << c.text;
  }
}

TEST(VerbTableTest, EveryErrorIsNamed) {
  const auto table = VerbTable::FromToml("foo = 1\n[images]\ngit = 2\n[verbs.sh]\nprefix = 3\n");
  EXPECT_EQ(table.status().message(),
            "line 1, column 7: unknown key \"foo\"; "
            "line 3, column 7: \"images.git\" must be a string, not an integer; "
            "line 5, column 10: \"prefix\" must be an array of strings, not an integer");
}

}  // namespace
}  // namespace rally::pipeline
