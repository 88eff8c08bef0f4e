#include "agent/data_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace rally::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string FreshPath() {
  std::string path = ::testing::TempDir() + "/data.XXXXXX";
  if (mkdtemp(&path[0]) == nullptr) std::abort();
  return path + "/a/b";
}

TEST(DataDirectoryTest, ASecondAgentIsRefusedWhileTheFirstLives) {
  const std::string path = FreshPath();
  auto first = DataDirectory::Open(path);
  ASSERT_EQ(first.status(), absl::OkStatus());
  const absl::Status second = DataDirectory::Open(path).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.message(), HasSubstr(path));
  EXPECT_THAT(second.message(), HasSubstr("another rally-agent"));
  first->reset();
  EXPECT_EQ(DataDirectory::Open(path).status(), absl::OkStatus());
}

TEST(DataDirectoryTest, TheInitIsReplacedAsAWhole) {
  auto data = DataDirectory::Open(FreshPath());
  ASSERT_EQ(data.status(), absl::OkStatus());
  ASSERT_EQ((*data)->InstallInit("old one"), absl::OkStatus());
  std::ifstream in_use((*data)->init());
  ASSERT_EQ((*data)->InstallInit("new"), absl::OkStatus());
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in_use), {}), "old one");
  std::ifstream now((*data)->init());
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(now), {}), "new");
  struct stat status;
  ASSERT_EQ(stat((*data)->init().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0755u);
}

TEST(DataDirectoryTest, SpoolsAreListedAndRemoved) {
  auto data = DataDirectory::Open(FreshPath());
  ASSERT_EQ(data.status(), absl::OkStatus());
  std::ofstream((*data)->spool("b-1-1")) << "x";
  std::ofstream((*data)->spool("a-0-2")) << "x";
  EXPECT_THAT((*data)->Spools(), ElementsAre("a-0-2", "b-1-1"));
  EXPECT_EQ((*data)->RemoveSpool("a-0-2"), absl::OkStatus());
  EXPECT_EQ((*data)->RemoveSpool("a-0-2"), absl::OkStatus());
  EXPECT_THAT((*data)->Spools(), ElementsAre("b-1-1"));
}

TEST(DataDirectoryTest, SpaceIsThatOfItsDisk) {
  auto data = DataDirectory::Open(FreshPath());
  ASSERT_EQ(data.status(), absl::OkStatus());
  auto space = (*data)->MeasureSpace();
  ASSERT_EQ(space.status(), absl::OkStatus());
  EXPECT_GT(space->total_bytes, 0);
  EXPECT_LE(space->free_bytes, space->total_bytes);
}

}  // namespace
}  // namespace rally::agent
