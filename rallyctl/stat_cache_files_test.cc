#include "rallyctl/stat_cache_files.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace rally::rallyctl {
namespace {

namespace fs = std::filesystem;

class StatCacheFilesTest : public ::testing::Test {
 protected:
  StatCacheFilesTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/stat_cache_XXXXXX");
    folder_ = mkdtemp(pattern.data());
    setenv("XDG_CACHE_HOME", (folder_ / "cache").c_str(), 1);
  }
  ~StatCacheFilesTest() override { fs::remove_all(folder_); }

  fs::path folder_;
};

TEST_F(StatCacheFilesTest, AContextHasOneFileHoweverItIsNamed) {
  fs::create_directory(folder_ / "context");
  fs::create_symlink("context", folder_ / "link");
  const std::string file = StatCacheFile((folder_ / "context").string());
  EXPECT_EQ(fs::path(file).parent_path(), folder_ / "cache/rally/contexts");
  EXPECT_EQ(StatCacheFile((folder_ / "link/../context/.").string()), file);
  EXPECT_NE(StatCacheFile(folder_.string()), file);
  struct stat st;
  ASSERT_EQ(stat(fs::path(file).parent_path().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
}

TEST_F(StatCacheFilesTest, WithoutAPlaceThereIsNone) {
  EXPECT_EQ(StatCacheFile((folder_ / "nowhere").string()), "");
  std::ofstream(folder_ / "file") << "";
  setenv("XDG_CACHE_HOME", (folder_ / "file").c_str(), 1);
  EXPECT_EQ(StatCacheFile(folder_.string()), "");
}

TEST_F(StatCacheFilesTest, TheOldestGo) {
  const std::string file = StatCacheFile(folder_.string());
  const fs::path contexts = fs::path(file).parent_path();
  const auto now = fs::file_time_type::clock::now();
  for (int i = 0; i < 60; ++i) {
    const fs::path path = contexts / absl::StrCat("context", i);
    std::ofstream(path) << "x";
    fs::last_write_time(path, now - std::chrono::hours(i));
  }
  KeepNewestStatCaches(file);
  int left = 0;
  for (const auto& entry : fs::directory_iterator(contexts)) left += entry.exists() ? 1 : 0;
  EXPECT_EQ(left, 50);
  EXPECT_TRUE(fs::exists(contexts / "context49"));
  EXPECT_FALSE(fs::exists(contexts / "context50"));
}

}  // namespace
}  // namespace rally::rallyctl
