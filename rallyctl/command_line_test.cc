#include "rallyctl/command_line.h"

#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "rallyctl/command_line_fixture.h"

namespace rally::rallyctl {
namespace {

// This process's own standard error, read as it is written.
class StderrPipe {
 public:
  StderrPipe() : saved_(dup(STDERR_FILENO)) {
    EXPECT_EQ(pipe(fds_), 0);
    dup2(fds_[1], STDERR_FILENO);
  }
  ~StderrPipe() {
    dup2(saved_, STDERR_FILENO);
    for (const int fd : {saved_, fds_[0], fds_[1]}) close(fd);
  }
  // Blocks until it was written.
  void WaitFor(const std::string& text) {
    char byte;
    while (seen_.find(text) == std::string::npos && read(fds_[0], &byte, 1) == 1) seen_ += byte;
  }

 private:
  const int saved_;
  int fds_[2];
  std::string seen_;
};

TEST_F(CommandLineTest, SubmitUploadsTheContextAndEndsAsTheBuildDoes) {
  service_.AppendLog("a", 1, "hello\n");
  service_.CompleteLog("a", 1);
  std::thread ender([this] {
    while (service_.Submissions().empty()) std::this_thread::yield();
    EndBuild(v1::BUILD_STATUS_FAILED, v1::STEP_STATUS_FAILED, 7);
  });
  EXPECT_EQ(Run({"submit", "--context", folder_ + "/context"}), 1) << err_;
  ender.join();
  EXPECT_EQ(out_, "a | hello\n");
  EXPECT_NE(err_.find("==> context: 2 files, "), std::string::npos) << err_;
  EXPECT_NE(err_.find("==> a failed, exit code 7\n"), std::string::npos) << err_;
  EXPECT_NE(err_.find("Its files: rallyctl fetch build-1 --to DIR\n"), std::string::npos) << err_;
  const auto submission = service_.Submissions().at(0);
  EXPECT_EQ(submission.pipeline(), kPipeline);
  EXPECT_EQ(submission.idempotency_key().size(), 32u);
  const blob::Digest file = blob::DigestOf("content\n");
  EXPECT_TRUE(cas_.store().FindMissing({file})->empty());
  const blob::Digest context{submission.context().hash(), submission.context().size_bytes()};
  EXPECT_TRUE(cas_.store().FindMissing({context})->empty());
}

TEST_F(CommandLineTest, ExitStatusesOfSubmit) {
  const std::pair<v1::BuildStatus, int> kCases[] = {{v1::BUILD_STATUS_SUCCEEDED, 0},
                                                    {v1::BUILD_STATUS_FAILED, 1},
                                                    {v1::BUILD_STATUS_TIMED_OUT, 124},
                                                    {v1::BUILD_STATUS_CANCELLED, 130}};
  service_.CompleteLog("a", 1);
  // The build has ended by the time that the same key comes again.
  EXPECT_EQ(Run({"submit", "--context", folder_ + "/context", "--detach", "--key", "k"}), 0);
  EXPECT_EQ(out_, "build-1\n");
  for (const auto& [build_status, exit_status] : kCases) {
    EndBuild(build_status, v1::STEP_STATUS_SUCCEEDED, 0);
    EXPECT_EQ(Run({"submit", "--context", folder_ + "/context", "--key", "k"}), exit_status)
        << err_;
    EXPECT_NE(err_.find("build build-1 was submitted before with this key"), std::string::npos);
  }
}

TEST_F(CommandLineTest, ALostAnswerIsAskedForAgainWithTheSameKey) {
  service_.LoseSubmitAnswers(2);
  EXPECT_EQ(Run({"submit", "--context", folder_ + "/context", "--detach"}), 0) << err_;
  EXPECT_EQ(out_, "build-1\n");
  const auto submissions = service_.Submissions();
  ASSERT_EQ(submissions.size(), 3u);
  EXPECT_EQ(submissions[0].idempotency_key(), submissions[2].idempotency_key());
}

TEST_F(CommandLineTest, CtrlCLeavesTheBuild) {
  std::thread interrupter([this] {
    service_.WaitForLogReader("a");
    raise(SIGINT);
  });
  EXPECT_EQ(Run({"submit", "--context", folder_ + "/context", "--detach"}), 0);
  service_.Update("build-1", [](v1::Build& build) {
    v1::Step& step = *build.add_steps();
    step.set_id("a");
    step.set_attempt(1);
    step.set_status(v1::STEP_STATUS_RUNNING);
  });
  EXPECT_EQ(Run({"watch", "build-1"}), 130) << err_;
  interrupter.join();
  EXPECT_NE(err_.find("come back:  rallyctl watch build-1\n"), std::string::npos) << err_;
  EXPECT_NE(err_.find("cancel it:  rallyctl cancel build-1\n"), std::string::npos) << err_;
  EXPECT_TRUE(service_.Cancellations().empty());
}

// Only the answer tells whether there is a build.
TEST_F(CommandLineTest, CtrlCWaitsForTheAnswerOfSubmit) {
  const auto interrupt = [this](size_t submissions) {
    return std::thread([this, submissions] {
      StderrPipe err;
      service_.WaitForSubmissions(submissions);
      raise(SIGINT);
      err.WaitFor("interrupted; waiting for the controller");
      service_.HoldSubmitAnswers(false);
    });
  };
  service_.HoldSubmitAnswers(true);
  std::thread first = interrupt(1);
  EXPECT_EQ(Run({"submit", "--context", folder_ + "/context"}), 130) << err_;
  first.join();
  for (const char* said :
       {"==> build build-1 accepted\n", "left build build-1, which goes on\n",
        "come back:  rallyctl watch build-1\n", "cancel it:  rallyctl cancel build-1\n"}) {
    EXPECT_NE(err_.find(said), std::string::npos) << err_;
  }
  service_.HoldSubmitAnswers(true);
  std::thread second = interrupt(2);
  EXPECT_EQ(Run({"submit", "--context", folder_ + "/context", "--detach"}), 130) << err_;
  second.join();
  EXPECT_EQ(out_, "build-2\n");
  EXPECT_NE(err_.find("cancel it:  rallyctl cancel build-2\n"), std::string::npos) << err_;
  EXPECT_TRUE(service_.Cancellations().empty());
}

TEST_F(CommandLineTest, ASecondCtrlCEndsWithoutAnAnswer) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        service_.HoldSubmitAnswers(true);
        std::thread interrupter([this] {
          service_.WaitForSubmissions(1);
          unlink(service_.address().substr(5).c_str());  // Nothing here is destroyed.
          raise(SIGINT);
          raise(SIGINT);
        });
        Run({"submit", "--context", folder_ + "/context"});
      },
      testing::ExitedWithCode(130),
      "waiting for the controller to say.*\n.*may have been accepted.*rallyctl list");
}

TEST_F(CommandLineTest, AnAnswerThatNeverComesLeavesItOpenWhetherThereIsABuild) {
  service_.LoseSubmitAnswers(1000);
  EXPECT_EQ(Run({"submit", "--context", folder_ + "/context", "--patience", "0s"}), 3);
  EXPECT_NE(err_.find("The build may have been accepted"), std::string::npos) << err_;
  EXPECT_NE(err_.find("rallyctl list shows it"), std::string::npos) << err_;
}

TEST_F(CommandLineTest, AnInvalidPipelineIsRefusedHere) {
  WriteFile(folder_ + "/context/rally.toml", "[[step]]\nid = \"a\"\nargs = \"x\"\nimage = \"i\"\n");
  EXPECT_EQ(Run({"submit", "-f", folder_ + "/context/rally.toml"}), 2);
  EXPECT_NE(err_.find("/context/rally.toml:3:8: error: \"args\" must be an array of strings"),
            std::string::npos)
      << err_;
  EXPECT_TRUE(service_.Submissions().empty());
  EXPECT_EQ(Run({"lint", folder_ + "/context/rally.toml"}), 2);
  EXPECT_NE(out_.find(":3:8: error: "), std::string::npos) << out_;
  EXPECT_EQ(Run({"submit", "-f", folder_ + "/nowhere.toml"}), 2);
  EXPECT_NE(err_.find("nowhere.toml: No such file"), std::string::npos) << err_;
}

TEST_F(CommandLineTest, AControllerThatIsAwayIsThree) {
  EXPECT_EQ(RunOn("unix:/nowhere/c.sock", {"list", "--patience", "0s"}), 3);
  EXPECT_NE(err_.find("cannot reach the controller at unix:/nowhere/c.sock: "), std::string::npos)
      << err_;
  EXPECT_EQ(RunOn("example.org:7470", {"list"}), 2) << "plaintext beyond this machine";
}

TEST_F(CommandLineTest, WordsThatMeanNothingAreTwo) {
  EXPECT_EQ(Run({"nonsense"}), 2);
  EXPECT_EQ(err_, "rallyctl: there is no command \"nonsense\" (rallyctl --help lists them)\n");
  for (const char* also : {"--help", "-o", "build-1"}) {
    EXPECT_EQ(Run({"-o", "json", "--progress=plain", "wacth", also}), 2);
    EXPECT_EQ(err_,
              "rallyctl: there is no command \"wacth\"; did you mean watch? "
              "(rallyctl --help lists them)\n");
  }
  EXPECT_EQ(Run({}), 2) << "the value of --server is no command";
  EXPECT_EQ(err_.find("there is no command"), std::string::npos) << err_;
  EXPECT_EQ(Run({"get"}), 2);
  EXPECT_EQ(Run({"get", "no-such-build"}), 2);
  EXPECT_NE(err_.find("no-such-build"), std::string::npos) << err_;
  EXPECT_EQ(Run({"list", "-o", "yaml"}), 2);
  EXPECT_EQ(Run({"list", "--progress", "loud"}), 2);
  EXPECT_EQ(Run({"submit", "--label", "novalue", "--context", folder_ + "/context"}), 2);
}

TEST_F(CommandLineTest, LogsAreByteForByteForOneStepAndBehindIdsForAll) {
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  service_.AppendLog("a", 1, std::string("1\0\x1b[2Jx", 7));
  service_.AppendLog("a", 1, "tail", v1::LOG_STREAM_STDERR);
  service_.CompleteLog("a", 1);
  EndBuild(v1::BUILD_STATUS_SUCCEEDED, v1::STEP_STATUS_SUCCEEDED, 0);
  EXPECT_EQ(Run({"logs", "build-1", "a"}), 0) << err_;
  EXPECT_EQ(out_, std::string("1\0\x1b[2Jxtail", 11));
  EXPECT_EQ(Run({"logs", "build-1", "a", "-f"}), 0) << err_;
  EXPECT_EQ(out_.size(), 11u);
  EXPECT_EQ(Run({"logs", "build-1"}), 0) << err_;
  EXPECT_NE(out_.find("a | tail\n"), std::string::npos) << out_;
  EXPECT_EQ(Run({"logs", "build-1", "a", "-o", "json"}), 0);
  const auto record = nlohmann::json::parse(out_.substr(out_.find('\n') + 1));
  EXPECT_EQ(record["data"], "tail");
  EXPECT_EQ(record["offset"], 7);
  EXPECT_EQ(record["stream"], "stderr");
}

TEST_F(CommandLineTest, DataIsJsonOnStandardOutput) {
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  EndBuild(v1::BUILD_STATUS_SUCCEEDED, v1::STEP_STATUS_SUCCEEDED, 0);
  service_.CompleteLog("a", 1);
  EXPECT_EQ(Run({"list", "-o", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_)["builds"][0]["id"], "build-1");
  EXPECT_EQ(Run({"get", "build-1", "-o", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_)["steps"][0]["exit_code"], 0);
  EXPECT_EQ(Run({"watch", "build-1", "-o", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_)["status"], "BUILD_STATUS_SUCCEEDED");
}

TEST_F(CommandLineTest, CancelSaysWhatBecameOfTheBuild) {
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  EXPECT_EQ(Run({"cancel", "build-1", "-o", "json", "--reason", "enough"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_)["reason"], "enough");
  EXPECT_EQ(Run({"cancel", "build-1"}), 0);
  EXPECT_NE(err_.find("build build-1 is cancelled\n"), std::string::npos) << err_;
  EndBuild(v1::BUILD_STATUS_SUCCEEDED, v1::STEP_STATUS_SUCCEEDED, 0);
  EXPECT_EQ(Run({"cancel", "build-1"}), 0);
  EXPECT_NE(err_.find("build build-1 had ended before: succeeded\n"), std::string::npos) << err_;
}

TEST_F(CommandLineTest, AgentsAreListedAndDrained) {
  v1::ListAgentsResponse agents;
  agents.add_agents()->set_name("agent-1");
  agents.mutable_agents(0)->set_state("connected");
  service_.SetAgents(agents);
  EXPECT_EQ(Run({"agents"}), 0);
  EXPECT_NE(out_.find("agent-1  connected"), std::string::npos) << out_;
  EXPECT_EQ(Run({"agents", "drain", "agent-1"}), 0) << err_;
  EXPECT_EQ(Run({"agents"}), 0);
  EXPECT_NE(out_.find("agent-1  draining"), std::string::npos) << out_;
  EXPECT_EQ(Run({"agents", "undrain", "nobody"}), 2);
}

TEST_F(CommandLineTest, GraphVersionAndCompletionNeedNoServer) {
  service_.Stop();
  EXPECT_EQ(Run({"graph", "-f", folder_ + "/context/rally.toml", "-o", "json"}), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["order"][0], "a");
  EXPECT_EQ(Run({"graph", "-f", folder_ + "/context/rally.toml", "-o", "yaml"}), 2);
  EXPECT_EQ(Run({"graph", "-f", folder_ + "/context/rally.toml", "--digest"}), 0);
  EXPECT_EQ(out_.size(), 65u) << out_;
  EXPECT_EQ(Run({"version"}), 0);
  EXPECT_EQ(out_.substr(0, 9), "rallyctl ");
  EXPECT_EQ(Run({"completion"}), 0);
  EXPECT_NE(out_.find("submit) words='"), std::string::npos) << out_;
}

}  // namespace
}  // namespace rally::rallyctl
