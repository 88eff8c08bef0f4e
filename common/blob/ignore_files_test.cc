// Which ignore files a capture obeys.
#include "common/blob/ignore_files.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/blob/capture_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::blob {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class IgnoreFilesTest : public ::testing::Test {
 protected:
  IgnoreFilesTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/ignore_files_XXXXXX");
    root_ = mkdtemp(pattern.data());
    options_.obey_ignore_files = true;
    for (const char* path : {"a.log", "a.txt", "sub/b.log", "sub/b.txt", ".git/HEAD", ".git/a.log",
                             ".git/sub/b.txt", "lib/.git"}) {
      Write(path, absl::StrCat("what is in ", path));
    }
  }
  ~IgnoreFilesTest() override { fs::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }

  // All contents differ, so that each file is there by its path.
  std::set<std::string> Captured() {
    absl::StatusOr<CapturedTree> tree = CaptureDirectory(root_.string(), options_);
    EXPECT_EQ(tree.status(), absl::OkStatus());
    std::set<std::string> paths;
    for (const auto& [key, file] : tree->files) {
      const std::string path = tree->PathOf(file);
      if (path.find("ignore") == std::string::npos) paths.insert(path);
    }
    ignore_file_ = tree->ignore_file;
    ignored_entries_ = tree->ignored_entries;
    return paths;
  }

  fs::path root_;
  CaptureOptions options_;
  std::string ignore_file_;
  int64_t ignored_entries_ = 0;
};

TEST_F(IgnoreFilesTest, TheFileInForceIsTheOneThatAnotherWouldSwitchOff) {
  EXPECT_EQ(IgnoreFiles::NameInForce(root_.string()), ".gitignore");
  Write(".gitignore", "*.log");
  EXPECT_EQ(IgnoreFiles::NameInForce(root_.string()), ".gitignore");
  Write(".dockerignore", "");
  EXPECT_EQ(IgnoreFiles::NameInForce(root_.string()), ".dockerignore");
  Write(".rallyignore", "");
  EXPECT_EQ(IgnoreFiles::NameInForce(root_.string()), ".rallyignore");
}

TEST_F(IgnoreFilesTest, WithoutAnyFileEverythingIsKept) {
  EXPECT_EQ(Captured().size(), 8u);
  EXPECT_EQ(ignore_file_, "");
  EXPECT_EQ(ignored_entries_, 0);
}

TEST_F(IgnoreFilesTest, GitignoresCountEverywhereButInGit) {
  Write(".gitignore", "*.log\nHEAD\n.git\nsub/*\n!b.txt\n");
  Write("sub/.gitignore", "!/b.log\n");
  EXPECT_THAT(Captured(), UnorderedElementsAre("a.txt", "sub/b.log", ".git/HEAD", ".git/a.log",
                                               ".git/sub/b.txt", "sub/b.txt", "lib/.git"));
  EXPECT_EQ(ignore_file_, ".gitignore");
  // sub/.gitignore is ignored, too, but obeyed.
  EXPECT_EQ(ignored_entries_, 2);
}

TEST_F(IgnoreFilesTest, DockerignoreComesBeforeGitignore) {
  Write(".gitignore", "*.txt\n");
  Write(".dockerignore", "*.log\nsub\n!sub/b.txt\n.git\n");
  EXPECT_THAT(Captured(), UnorderedElementsAre("a.txt", "sub/b.txt", "lib/.git"));
  EXPECT_EQ(ignore_file_, ".dockerignore");
}

TEST_F(IgnoreFilesTest, ADirectoryOfWhichNothingIsKeptIsNotThere) {
  Write(".dockerignore", "sub\n!sub/nothing*\n");
  const auto tree = CaptureDirectory(root_.string(), options_);
  ASSERT_EQ(tree.status(), absl::OkStatus());
  EXPECT_EQ(tree->directory_count, 3);  // .git, .git/sub, lib.
}

TEST_F(IgnoreFilesTest, RallyignoreComesFirstAndAppliesToGitToo) {
  Write(".gitignore", "*.txt\n");
  Write(".dockerignore", "**\n");
  Write("sub/.rallyignore", "*\n");
  Write(".rallyignore", "*.log\n/.git/\n");
  EXPECT_THAT(Captured(), UnorderedElementsAre("a.txt", "sub/b.txt", "lib/.git"));
  EXPECT_EQ(ignore_file_, ".rallyignore");
  // An empty one means that nothing is left out.
  Write(".rallyignore", "");
  EXPECT_EQ(Captured().size(), 8u);
}

TEST_F(IgnoreFilesTest, WhatAFetchLeftUnfinishedIsNotSent) {
  Write("sub/.rally-fetch-0123456789ab/tree/x", "x");
  Write(".rally-fetch-mine/x", "mine");
  EXPECT_EQ(Captured().size(), 9u);
  EXPECT_EQ(ignored_entries_, 1);
  options_.obey_ignore_files = false;
  EXPECT_EQ(Captured().size(), 10u);
}

TEST_F(IgnoreFilesTest, GitCanBeLeftOut) {
  options_.keep_git = false;
  EXPECT_THAT(Captured(), UnorderedElementsAre("a.log", "a.txt", "sub/b.log", "sub/b.txt"));
  options_.obey_ignore_files = false;
  EXPECT_THAT(Captured(), UnorderedElementsAre("a.log", "a.txt", "sub/b.log", "sub/b.txt"));
}

TEST_F(IgnoreFilesTest, WhatCanNotBeUsedIsAnError) {
  Write(".dockerignore", "a\n[b\n");
  EXPECT_THAT(CaptureDirectory(root_.string(), options_).status().message(),
              HasSubstr("'.dockerignore': line 2: malformed pattern: [b"));
  // Who has put a link there expects that it is followed; nobody may believe that it was.
  fs::create_symlink(".dockerignore", root_ / ".rallyignore");
  EXPECT_THAT(CaptureDirectory(root_.string(), options_).status().message(),
              HasSubstr("'.rallyignore': an ignore file has to be a regular file"));
}

TEST_F(IgnoreFilesTest, ASymlinkIsNoGitignoreAsInGit) {
  Write("elsewhere", "*\n");
  fs::create_symlink("elsewhere", root_ / ".gitignore");
  EXPECT_EQ(Captured().size(), 9u);
}

// What is ignored isn't looked at: its names may be what they like.
TEST_F(IgnoreFilesTest, IgnoredDirectoriesAreNotEntered) {
  Write(".gitignore", "cache/\n");
  Write("cache/bad\xFFname", "x");
  EXPECT_EQ(Captured().size(), 8u);
}

}  // namespace
}  // namespace rally::blob
