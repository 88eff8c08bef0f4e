#include "controller/controller.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/channel.h"
#include "controller/testing/controller_fixture.h"
#include "gmock/gmock.h"

namespace rally::controller {
namespace {

using ::testing::HasSubstr;

class ControllerTest : public ControllerFixture {
 protected:
  // Socket paths are short, the folders of tests aren't.
  void SetUp() override {
    ASSERT_NE(mkdtemp(&socket_folder_[0]), nullptr);
    ControllerFixture::SetUp();
  }
  void TearDown() override {
    StopController();
    unlink(SocketPath().c_str());
    rmdir(socket_folder_.c_str());
  }
  std::string SocketPath() const { return socket_folder_ + "/controller"; }

 private:
  std::string socket_folder_ = "/tmp/rally-controller-XXXXXX";
};

TEST_F(ControllerTest, BuildsAndLogsOutliveTheProcess) {
  v1::AttemptKey key;
  const std::string id = SubmitOneStep();
  {
    ScriptedAgent agent(channel_, "x");
    EXPECT_EQ(agent.Connect().epoch(), 1);
    key = agent.RunNext();
    AwaitStep(id, v1::STEP_STATUS_RUNNING);
    EXPECT_EQ(LogWriter(logs_.get()).Append(key, 0, "hello").durable_offset(), 5);
  }
  const v1::Build before = Get(id);
  StartController();
  const v1::Build after = Get(id);
  EXPECT_EQ(after.submitted_at().seconds(), before.submitted_at().seconds());
  EXPECT_EQ(after.steps(0).status(), v1::STEP_STATUS_RUNNING) << "the step runs on meanwhile";

  ScriptedAgent agent(channel_, "x");
  const v1::Welcome welcome = agent.Connect({Report(key, v1::ATTEMPT_STATE_RUNNING)});
  EXPECT_EQ(welcome.epoch(), 2);
  ASSERT_EQ(welcome.verdicts_size(), 1);
  EXPECT_EQ(welcome.verdicts(0).verdict(), v1::VERDICT_KEEP);
  EXPECT_EQ(welcome.verdicts(0).log_offset(), 5);
  EXPECT_EQ(LogWriter(logs_.get()).Append(key, 5, " world", true).durable_offset(), 11);
  agent.Exited(key, 0, 11);
  EXPECT_TRUE(agent.Next().has_result_ack());
  EXPECT_EQ(Get(id).status(), v1::BUILD_STATUS_SUCCEEDED);

  v1::ReadLogRequest request;
  request.set_build_id(id);
  request.set_step_id("s");
  EXPECT_EQ(LogFollower(builds_.get(), request).ReadToEnd(), "hello world");
}

TEST_F(ControllerTest, TheKeyOfASubmissionOutlivesTheProcess) {
  const std::string id = SubmitOneStep("mine");
  StartController();
  EXPECT_EQ(SubmitOneStep("mine"), id);
}

TEST_F(ControllerTest, ManyRestarts) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(SubmitOneStep(absl::StrCat("key", i)));
    StartController();
  }
  for (const std::string& id : ids) EXPECT_EQ(Get(id).status(), v1::BUILD_STATUS_RUNNING);
}

TEST_F(ControllerTest, ASecondControllerOnTheSameDataIsRefused) {
  auto second = Controller::Start(options_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another rally-controller"));
  SubmitOneStep();  // the first isn't disturbed
}

TEST_F(ControllerTest, ATakenPortIsRefused) {
  Options options = options_;
  options.data += "-second";
  options.listen = controller_->address();
  auto second = Controller::Start(options);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(controller_->address()));
}

TEST_F(ControllerTest, Port0IsReplacedByTheRealOne) {
  EXPECT_TRUE(absl::StartsWith(controller_->address(), "127.0.0.1:"));
  EXPECT_FALSE(absl::EndsWith(controller_->address(), ":0"));
}

TEST_F(ControllerTest, AUnixSocketIsForItsOwnerAndIsTakenOverOnlyFromTheDead) {
  options_.listen = "unix:" + SocketPath();
  StartController();
  EXPECT_EQ(controller_->address(), options_.listen);
  struct stat info;
  ASSERT_EQ(stat(SocketPath().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600);
  const std::string id = SubmitOneStep();

  Options options = options_;
  options.data += "-second";
  auto second = Controller::Start(options);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another server"));
  EXPECT_EQ(Get(id).id(), id) << "the first still has its socket";

  // What a killed server leaves.
  StopController();
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  SocketPath().copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  close(fd);
  StartController();
  EXPECT_EQ(Get(id).id(), id);
}

TEST_F(ControllerTest, AFileWhereTheSocketShouldBeIsNotRemoved) {
  StopController();
  std::ofstream(SocketPath()) << "precious";
  options_.listen = "unix:" + SocketPath();
  EXPECT_EQ(Controller::Start(options_).status().code(), absl::StatusCode::kFailedPrecondition);
  std::string word;
  std::ifstream(SocketPath()) >> word;
  EXPECT_EQ(word, "precious");
}

TEST_F(ControllerTest, ADataFolderThatCannotBeIsExplained) {
  StopController();
  options_.data = "/proc/nothing/here";
  const absl::Status status = Controller::Start(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/proc/nothing/here"));
}

TEST_F(ControllerTest, ADataFolderIsMadeWithItsParents) {
  options_.data += "/not/yet";
  StartController();
  SubmitOneStep();
  struct stat info;
  ASSERT_EQ(stat(options_.data.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700);
}

TEST_F(ControllerTest, WhatBelongsToOneJournalIsNotReadByAnotherFormat) {
  StopController();
  std::ofstream(options_.data + "/journal.db", std::ios::trunc) << std::string(4096, 'x');
  EXPECT_EQ(Controller::Start(options_).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace rally::controller
