#include "rallyctl/connection.h"

#include <gmock/gmock.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace rally::rallyctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Takes from this thread what makes root open everything, until it goes.
class WithoutPrivilege {
 public:
  WithoutPrivilege() {
    EXPECT_EQ(syscall(SYS_capget, &header_, before_), 0);
    __user_cap_data_struct less[2] = {before_[0], before_[1]};
    less[0].effective &= ~(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH);
    EXPECT_EQ(syscall(SYS_capset, &header_, less), 0);
  }
  ~WithoutPrivilege() { syscall(SYS_capset, &header_, before_); }

 private:
  __user_cap_header_struct header_ = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct before_[2] = {};
};

absl::Status OpenStatus(const std::string& path) {
  ServerSettings settings;
  settings.address = "unix:" + path;
  return Connection::Open(settings).status();
}

TEST(ConnectionTest, ASocketOfSomebodyElseIsToldAtOnce) {
  char name[] = "/tmp/rallyctl-test-XXXXXX";  // Sockets have short paths.
  const std::string folder = mkdtemp(name);
  const std::string socket = folder + "/c.sock";
  std::ofstream(socket) << "";
  EXPECT_EQ(OpenStatus(socket), absl::OkStatus());
  ASSERT_EQ(chmod(socket.c_str(), 0), 0);
  const WithoutPrivilege without;
  absl::Status status = OpenStatus(socket);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("cannot reach the controller at unix:" + socket),
                                      HasSubstr("may not open that socket, which belongs to user "),
                                      HasSubstr("\nRun rallyctl as ")));
  ASSERT_EQ(chmod(folder.c_str(), 0), 0);
  status = OpenStatus(socket);
  EXPECT_THAT(status.message(), HasSubstr("is in another user's folder"));
  ASSERT_EQ(chmod(folder.c_str(), 0700), 0);
  unlink(socket.c_str());
  rmdir(folder.c_str());
}

TEST(ConnectionTest, ASocketThatIsNotThereYetMayCome) {
  EXPECT_EQ(OpenStatus("/nowhere/c.sock"), absl::OkStatus());
}

}  // namespace
}  // namespace rally::rallyctl
