#include "rallyctl/fetch/target_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rallyctl/fetch/install_tree.h"

namespace rally::rallyctl {
namespace {

using ::testing::HasSubstr;

class TargetFolderTest : public ::testing::Test {
 protected:
  TargetFolderTest() {
    char name[] = "/tmp/target-test-XXXXXX";
    folder_ = mkdtemp(name);
    std::ofstream(folder_ + "/file") << "x";
  }
  ~TargetFolderTest() override { RemoveTree(AT_FDCWD, folder_.c_str()).IgnoreError(); }

  // Why nothing can be put there.
  std::string Refused(const std::string& path) {
    const absl::Status status = CheckTarget(path);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_EQ(OpenTarget(path).status(), status);
    return std::string(status.message());
  }

  std::string folder_;
};

TEST_F(TargetFolderTest, IsMadeByOpeningOnly) {
  EXPECT_EQ(CheckTarget(folder_ + "/new/"), absl::OkStatus());
  EXPECT_NE(access((folder_ + "/new").c_str(), F_OK), 0);
  EXPECT_TRUE(OpenTarget(folder_ + "/new/")->valid());
  EXPECT_EQ(access((folder_ + "/new").c_str(), F_OK), 0);
  EXPECT_EQ(CheckTarget(folder_ + "/new"), absl::OkStatus());
  EXPECT_EQ(CheckTarget("."), absl::OkStatus());
  EXPECT_EQ(CheckTarget("a-name"), absl::OkStatus());
}

TEST_F(TargetFolderTest, SaysWhatIsInTheWay) {
  EXPECT_EQ(Refused(folder_ + "/no/such"),
            "cannot put files into the folder " + folder_ + "/no/such: there is no " + folder_ +
                "/no, and parents are not made; mkdir -p " + folder_ + "/no makes it");
  EXPECT_THAT(Refused(folder_ + "/file"), HasSubstr("it is a file; give a folder with --to"));
  EXPECT_THAT(Refused(folder_ + "/file/below"), HasSubstr(folder_ + "/file is a file"));
  ASSERT_EQ(symlink("nowhere", (folder_ + "/link").c_str()), 0);
  EXPECT_THAT(Refused(folder_ + "/link"), HasSubstr("a link to what isn't there"));
  EXPECT_THAT(Refused(""), HasSubstr("--to ."));
  if (geteuid() == 0) return;  // Root may write anywhere.
  ASSERT_EQ(chmod(folder_.c_str(), 0555), 0);
  EXPECT_THAT(Refused(folder_), HasSubstr("cannot write into the folder " + folder_));
  EXPECT_THAT(Refused(folder_ + "/new"), HasSubstr("cannot write into the folder " + folder_));
}

}  // namespace
}  // namespace rally::rallyctl
