#include "rallyctl/git_facts.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace rally::rallyctl {
namespace {

class GitFactsTest : public ::testing::Test {
 protected:
  GitFactsTest() {
    char name[] = "/tmp/git-facts-test-XXXXXX";
    folder_ = mkdtemp(name);
    // Nothing of the user's own configuration.
    setenv("HOME", folder_.c_str(), 1);
    setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
  }
  ~GitFactsTest() override {
    setenv("PATH", path_.c_str(), 1);
    std::filesystem::remove_all(folder_);
  }

  void Git(const std::string& words) {
    const std::string command = absl::StrCat(
        "git -C ", folder_, " -c user.name=n -c user.email=e@x ", words, " >/dev/null 2>&1");
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }

  const std::string path_ = std::getenv("PATH");
  std::string folder_;
};

TEST_F(GitFactsTest, ARepositorySaysWhatItIs) {
  Git("init -b feature/cart");
  EXPECT_EQ(ReadGitFacts(folder_).branch, "feature/cart") << "before the first commit";
  EXPECT_EQ(ReadGitFacts(folder_).commit, "");
  Git("commit --allow-empty -m one");
  Git("remote add origin https://me:token@example.org/team/app.git");
  GitFacts facts = ReadGitFacts(folder_);
  EXPECT_EQ(facts.commit.size(), 40u) << facts.commit;
  EXPECT_EQ(facts.tag, "");
  EXPECT_EQ(facts.repository, "https://example.org/team/app.git");

  Git("tag v1.2");
  mkdir((folder_ + "/sub").c_str(), 0755);
  facts = ReadGitFacts(folder_ + "/sub");
  EXPECT_EQ(facts.tag, "v1.2");
  Git("checkout --detach");
  facts = ReadGitFacts(folder_);
  EXPECT_EQ(facts.branch, "");
  EXPECT_EQ(facts.tag, "v1.2");
}

TEST_F(GitFactsTest, WithoutARepositoryThereIsNothingToSay) {
  const GitFacts facts = ReadGitFacts(folder_);
  EXPECT_EQ(facts.branch + facts.commit + facts.tag + facts.repository, "");
  EXPECT_EQ(ReadGitFacts(folder_ + "/nowhere").commit, "");
}

TEST_F(GitFactsTest, VariablesOfAnotherRepositoryDoNotMislead) {
  Git("init -b here");
  setenv("GIT_DIR", "/nowhere/.git", 1);
  EXPECT_EQ(ReadGitFacts(folder_).branch, "here");
  unsetenv("GIT_DIR");
}

TEST_F(GitFactsTest, WithoutGitThereIsNothingToSay) {
  Git("init -b here");
  setenv("PATH", folder_.c_str(), 1);
  EXPECT_EQ(ReadGitFacts(folder_).branch, "");
}

TEST_F(GitFactsTest, AGitThatHangsIsEnded) {
  const std::string git = folder_ + "/git";
  for (const char* script :
       {"#!/bin/sh\n/bin/sleep 100 & wait\n", "#!/bin/sh\nexec >&-\nexec /bin/sleep 100\n",
        "#!/bin/sh\nwhile :; do echo x; done\n"}) {
    std::ofstream(git) << script;
    chmod(git.c_str(), 0755);
    setenv("PATH", folder_.c_str(), 1);
    const absl::Time begin = absl::Now();
    EXPECT_EQ(ReadGitFacts(folder_, absl::Milliseconds(200)).branch, "") << script;
    EXPECT_LT(absl::Now() - begin, absl::Seconds(20)) << script;
  }
}

TEST(WithoutPasswordTest, UsersAndPasswordsGo) {
  EXPECT_EQ(WithoutPassword("https://me:secret@example.org/a.git"), "https://example.org/a.git");
  EXPECT_EQ(WithoutPassword("https://token@example.org"), "https://example.org");
  EXPECT_EQ(WithoutPassword("https://me:p@ss@example.org/a@b"), "https://example.org/a@b");
  EXPECT_EQ(WithoutPassword("ssh://git:secret@example.org:22/a.git"),
            "ssh://git@example.org:22/a.git");
  EXPECT_EQ(WithoutPassword("git+ssh://git@example.org/a"), "git+ssh://git@example.org/a");
}

TEST(WithoutPasswordTest, WhatHasNoneStays) {
  for (const char* url : {"https://example.org/a.git", "https://example.org/@team/a",
                          "git@example.org:team/a.git", "/srv/git/a.git", "", "file:///srv/a@b"}) {
    EXPECT_EQ(WithoutPassword(url), url);
  }
}

}  // namespace
}  // namespace rally::rallyctl
