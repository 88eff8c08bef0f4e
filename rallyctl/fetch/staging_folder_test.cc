#include "rallyctl/fetch/staging_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rallyctl/fetch/install_tree.h"

namespace rally::rallyctl {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class StagingFolderTest : public ::testing::Test {
 protected:
  StagingFolderTest() {
    char name[] = "/tmp/staging-test-XXXXXX";
    target_ = mkdtemp(name);
    fd_ = open(target_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  ~StagingFolderTest() override {
    close(fd_);
    RemoveTree(AT_FDCWD, target_.c_str()).IgnoreError();
  }

  std::unique_ptr<StagingFolder> NewStaging() {
    auto made = StagingFolder::Make(fd_, target_, /*ends_on_interrupt=*/false);
    EXPECT_EQ(made.status(), absl::OkStatus());
    return *std::move(made);
  }
  std::vector<std::string> Names() { return *NamesIn(fd_); }

  std::string target_;
  int fd_ = -1;
};

TEST_F(StagingFolderTest, GoesWithItsOwner) {
  auto staging = NewStaging();
  EXPECT_THAT(Names(), SizeIs(1));
  EXPECT_EQ(mkdirat(staging->fd(), "tree", 0700), 0);
  staging.reset();
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(StagingFolderTest, RemovesWhatAKilledOneLeftAndNothingElse) {
  const auto live = NewStaging();
  const std::string live_name = Names().at(0);
  for (const char* name : {".rally-fetch-0123456789ab", ".rally-fetch-mine"}) {
    mkdir((target_ + "/" + name).c_str(), 0700);
    std::ofstream(target_ + "/" + name + "/file") << "x";
  }
  std::ofstream(target_ + "/.rally-fetch-ba9876543210") << "a file";
  const auto next = NewStaging();
  EXPECT_THAT(Names(), SizeIs(4));
  EXPECT_NE(access((target_ + "/.rally-fetch-0123456789ab").c_str(), F_OK), 0);
  EXPECT_EQ(access((target_ + "/.rally-fetch-mine/file").c_str(), F_OK), 0);
  EXPECT_EQ(access((target_ + "/" + live_name).c_str(), F_OK), 0) << "its owner lives";
}

}  // namespace
}  // namespace rally::rallyctl
