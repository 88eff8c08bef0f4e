#include "agent/runtime/image_user.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kPasswd[] =
    "root:x:0:0:root:/root:/bin/sh\nbroken line\nnode:x:1000:1001::/home/node:/bin/sh\n";
constexpr char kGroup[] = "root:x:0:\nnode:x:1001:node\naudio:x:29:mpd,node\nvideo:x:44:\n";

TEST(ImageUserTest, Resolves) {
  struct {
    const char* user;
    uint32_t uid, gid;
    std::vector<uint32_t> additional_gids;
    const char* home;
  } cases[] = {
      {"node", 1000, 1001, {29}, "/home/node"},
      {"1000", 1000, 1001, {29}, "/home/node"},
      {"node:video", 1000, 44, {}, "/home/node"},
      {"node:7", 1000, 7, {}, "/home/node"},
      {"5000", 5000, 0, {}, ""},
      {"5000:6000", 5000, 6000, {}, ""},
      {"root:audio", 0, 29, {}, "/root"},
      {":audio", 0, 29, {}, "/root"},
  };
  for (const auto& c : cases) {
    const absl::StatusOr<ImageUser> user = ResolveImageUser(c.user, kPasswd, kGroup);
    ASSERT_EQ(user.status(), absl::OkStatus()) << c.user;
    EXPECT_EQ(user->uid, c.uid) << c.user;
    EXPECT_EQ(user->gid, c.gid) << c.user;
    EXPECT_EQ(user->additional_gids, c.additional_gids) << c.user;
    EXPECT_EQ(user->home, c.home) << c.user;
  }
}

TEST(ImageUserTest, NamesNeedAnEntry) {
  const absl::Status no_user = ResolveImageUser("nobody", kPasswd, kGroup).status();
  EXPECT_EQ(no_user.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(no_user.message()), HasSubstr("\"nobody\""));
  const absl::Status no_group = ResolveImageUser("node:none", kPasswd, kGroup).status();
  EXPECT_EQ(no_group.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(no_group.message()), HasSubstr("\"none\""));
}

class ReadImageFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "layers_XXXXXX";
    root_ = mkdtemp(pattern.data());
    for (const char* directory : {"/upper", "/lower", "/upper/etc", "/lower/etc"}) {
      ASSERT_EQ(mkdir((root_ + directory).c_str(), 0755), 0);
    }
  }
  absl::StatusOr<std::string> Read() {
    return ReadImageFile({root_ + "/upper", root_ + "/lower"}, "etc/passwd");
  }
  std::string root_;
};

TEST_F(ReadImageFileTest, TakesTheUppermost) {
  std::ofstream(root_ + "/lower/etc/passwd") << "lower";
  EXPECT_EQ(*Read(), "lower");
  std::ofstream(root_ + "/upper/etc/passwd") << "upper";
  EXPECT_EQ(*Read(), "upper");
}

TEST_F(ReadImageFileTest, NothingIsEmpty) { EXPECT_THAT(*Read(), IsEmpty()); }

TEST_F(ReadImageFileTest, LinksStayWithinTheImage) {
  // To an absolute path that exists on the host and not in the image.
  ASSERT_EQ(symlink("/etc/hostname", (root_ + "/upper/etc/passwd").c_str()), 0);
  EXPECT_EQ(*Read(), "");
  std::ofstream(root_ + "/upper/etc/hostname") << "in the image";
  EXPECT_EQ(*Read(), "in the image");
}

TEST_F(ReadImageFileTest, RefusesWhatIsNoFile) {
  ASSERT_EQ(mkfifo((root_ + "/upper/etc/passwd").c_str(), 0600), 0);
  EXPECT_EQ(Read().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ReadImageFileTest, DeletedMeansDeleted) {
  std::ofstream(root_ + "/lower/etc/passwd") << "lower";
  if (mknod((root_ + "/upper/etc/passwd").c_str(), S_IFCHR | 0600, makedev(0, 0)) != 0) {
    GTEST_SKIP() << "needs the right to make a device";
  }
  EXPECT_EQ(*Read(), "");
}

}  // namespace
}  // namespace rally::runtime
