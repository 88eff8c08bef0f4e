#include "agent/workspace/trash.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rally::workspace {
namespace {

namespace fs = std::filesystem;

class TrashTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = absl::StrCat(::getenv("TEST_TMPDIR"), "/trash-XXXXXX");
    ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string directory_;
};

TEST_F(TrashTest, TakesAndEmptiesTreesOfAnyShape) {
  Trash trash(directory_ + "/trash");
  fs::create_directories(directory_ + "/tree/a/b");
  fs::create_directories(directory_ + "/tree/c");
  std::ofstream(directory_ + "/tree/a/b/file") << "x";
  std::ofstream(directory_ + "/kept") << "kept";
  fs::create_symlink(directory_ + "/kept", directory_ + "/tree/c/link");
  fs::create_directory_symlink(directory_, directory_ + "/tree/c/directory_link");
  ASSERT_EQ(trash.Take(directory_ + "/tree"), absl::OkStatus());
  EXPECT_FALSE(fs::exists(directory_ + "/tree"));
  EXPECT_FALSE(fs::is_empty(directory_ + "/trash"));
  ASSERT_EQ(trash.Empty(), absl::OkStatus());
  EXPECT_TRUE(fs::is_empty(directory_ + "/trash"));
  EXPECT_TRUE(fs::exists(directory_ + "/kept"));
}

TEST_F(TrashTest, TakingNothingIsFine) {
  Trash trash(directory_ + "/trash");
  EXPECT_EQ(trash.Take(directory_ + "/absent"), absl::OkStatus());
  EXPECT_EQ(trash.Empty(), absl::OkStatus());
}

// Deeper than the number of descriptors a process may have, and than PATH_MAX.
TEST_F(TrashTest, EmptiesVeryDeepTrees) {
  Trash trash(directory_ + "/trash");
  const std::string root = directory_ + "/deep";
  ASSERT_EQ(::mkdir(root.c_str(), 0755), 0);
  int fd = ::open(root.c_str(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(::mkdirat(fd, "subdirectory", 0755), 0);
    const int next = ::openat(fd, "subdirectory", O_RDONLY | O_DIRECTORY);
    ::close(fd);
    fd = next;
    ASSERT_GE(fd, 0);
  }
  ::close(fd);
  ASSERT_EQ(trash.Take(root), absl::OkStatus());
  ASSERT_EQ(trash.Empty(), absl::OkStatus());
  EXPECT_TRUE(fs::is_empty(directory_ + "/trash"));
}

}  // namespace
}  // namespace rally::workspace
