#include "rallyctl/command_line.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/blob/digest.h"
#include "common/blob/directory.h"
#include "rallyctl/fetch/install_tree.h"
#include "rallyctl/testing/memory_cas_service.h"
#include "rallyctl/testing/scripted_build_service.h"

namespace rally::rallyctl {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void WriteFile(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

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

constexpr char kPipeline[] = "[[step]]\nid = \"a\"\nimage = \"busybox\"\nargs = [\"true\"]\n";

// Command lines against a scripted controller, in a folder of their own.
class CommandLineTest : public ::testing::Test {
 protected:
  CommandLineTest() {
    folder_ = testing::TempDir() + "/rallyctl-test-XXXXXX";
    EXPECT_NE(mkdtemp(&folder_[0]), nullptr);
    setenv("XDG_CACHE_HOME", (folder_ + "/cache").c_str(), 1);
    unsetenv("RALLY_SERVER");
    service_.AddService(&cas_);
    service_.Start();
    mkdir((folder_ + "/context").c_str(), 0755);
    mkdir((folder_ + "/context/sub").c_str(), 0755);
    WriteFile(folder_ + "/context/rally.toml", kPipeline);
    WriteFile(folder_ + "/context/sub/file", "content\n");
  }
  ~CommandLineTest() override { RemoveTree(AT_FDCWD, folder_.c_str()).IgnoreError(); }

  int RunOn(const std::string& server, std::vector<std::string> words) {
    std::FILE* out = std::tmpfile();
    std::FILE* err = std::tmpfile();
    words.insert(words.begin(), {"rallyctl", "--server", server});
    std::vector<const char*> argv;
    for (const std::string& word : words) argv.push_back(word.c_str());
    int status = 0;
    {
      Terminal terminal({fileno(out), fileno(err), true});
      status = RunCommandLine(static_cast<int>(argv.size()), argv.data(), &terminal);
    }
    out_ = Contents(out);
    err_ = Contents(err);
    return status;
  }
  int Run(std::vector<std::string> words) { return RunOn(service_.address(), std::move(words)); }

  static std::string Contents(std::FILE* file) {
    std::string text(lseek(fileno(file), 0, SEEK_END), '\0');
    EXPECT_EQ(pread(fileno(file), &text[0], text.size(), 0), static_cast<ssize_t>(text.size()));
    std::fclose(file);
    return text;
  }

  // The build that the first Submit makes, as if one step had been run already.
  void EndBuild(v1::BuildStatus build_status, v1::StepStatus step_status, int exit_code) {
    service_.Update("build-1", [&](v1::Build& build) {
      build.set_status(build_status);
      v1::Step& step = build.steps_size() == 0 ? *build.add_steps() : *build.mutable_steps(0);
      step.set_id("a");
      step.set_status(step_status);
      step.set_attempt(1);
      step.set_has_exit_code(true);
      step.set_exit_code(exit_code);
      step.set_log_bytes(6);
      *build.mutable_workspace() = build.context();
    });
  }

  MemoryCasService cas_;
  ScriptedBuildService service_;
  std::string folder_;
  std::string out_;
  std::string err_;
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

TEST_F(CommandLineTest, FetchTakesWhatWasAskedForAndReplacesNothing) {
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  EXPECT_EQ(Run({"fetch", "build-1", "--to", folder_ + "/early"}), 2);
  EXPECT_NE(err_.find("has no final workspace yet"), std::string::npos) << err_;
  EndBuild(v1::BUILD_STATUS_SUCCEEDED, v1::STEP_STATUS_SUCCEEDED, 0);
  const std::string to = folder_ + "/out";
  EXPECT_EQ(Run({"fetch", "build-1", "sub/file", "--to", to}), 0) << err_;
  EXPECT_EQ(ReadFile(to + "/sub/file"), "content\n");
  EXPECT_NE(access((to + "/rally.toml").c_str(), F_OK), 0) << "nobody asked for it";

  WriteFile(to + "/sub/file", "mine\n");
  cas_.store().Remove(blob::DigestOf(kPipeline));  // Nothing is fetched that has no place.
  EXPECT_EQ(Run({"fetch", "build-1", "--to", to}), 2);
  EXPECT_NE(err_.find("sub/file is there already; --force replaces it"), std::string::npos) << err_;
  EXPECT_EQ(ReadFile(to + "/sub/file"), "mine\n");
  EXPECT_NE(access((to + "/rally.toml").c_str(), F_OK), 0) << "all or nothing";
  cas_.store().Put(kPipeline);
  EXPECT_EQ(Run({"fetch", "build-1", "--to", to, "--force"}), 0) << err_;
  EXPECT_EQ(ReadFile(to + "/sub/file"), "content\n");
  EXPECT_EQ(ReadFile(to + "/rally.toml"), kPipeline);

  EXPECT_EQ(Run({"fetch", "build-1", "sub/nope", "--to", to}), 2);
  EXPECT_NE(err_.find("there is no sub/nope in the workspace"), std::string::npos) << err_;
  EXPECT_EQ(Run({"fetch", "build-1", "../x", "--to", to}), 2);
  EXPECT_EQ(Run({"fetch", "build-1", "--step", "zz", "--to", to}), 2);
}

TEST_F(CommandLineTest, AStepThatLeftNoFilesHasNoneToShow) {
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  for (const auto& [status, word] : {std::pair(v1::STEP_STATUS_CANCELLED, "cancelled"),
                                     std::pair(v1::STEP_STATUS_ERRORED, "errored")}) {
    EndBuild(v1::BUILD_STATUS_CANCELLED, status, 0);
    service_.Update("build-1", [](v1::Build& build) {
      *build.mutable_steps(0)->mutable_input() = build.context();
    });
    const std::string said = absl::StrCat("step a is ", word, " and has left no files");
    EXPECT_EQ(Run({"fetch", "build-1", "--step", "a", "--to", folder_ + "/out"}), 2);
    EXPECT_NE(err_.find(said), std::string::npos) << err_;
    EXPECT_NE(access((folder_ + "/out").c_str(), F_OK), 0);
    EXPECT_EQ(Run({"diff", "build-1", "a"}), 2);
    EXPECT_NE(err_.find(said), std::string::npos) << err_;
  }
}

TEST_F(CommandLineTest, BlamesFirstLineIsTrueOfTheFinalWorkspace) {
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  EndBuild(v1::BUILD_STATUS_SUCCEEDED, v1::STEP_STATUS_SUCCEEDED, 0);
  service_.Update("build-1", [&](v1::Build& build) {
    *build.mutable_steps(0)->mutable_input() = build.context();
    const blob::Digest none = cas_.store().Put(blob::Serialise(blob::Directory()));
    build.mutable_steps(0)->mutable_output()->set_hash(none.hash);
    build.mutable_steps(0)->mutable_output()->set_size_bytes(none.size_bytes);
  });
  // Others have kept the folder.
  EXPECT_EQ(Run({"blame", "build-1", "sub"}), 0) << err_;
  EXPECT_EQ(out_,
            "MADE BY      WHAT                      TYPE       SIZE\n"
            "the context  added                     directory     -\n"
            "a            removed (not in the end)  directory     -\n");
  EXPECT_EQ(Run({"blame", "build-1", "sub", "-o", "json"}), 0) << err_;
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["exists"], true);
  EXPECT_EQ(json["step"], nullptr);
  EXPECT_EQ(json["writes"][0]["overruled"], true);

  // Another has made a file of it.
  blob::Directory file;
  *file.add_files() = blob::MakeFileNode("sub", blob::DigestOf("x"), 0644, std::nullopt);
  const blob::Digest end = cas_.store().Put(blob::Serialise(file));
  service_.Update("build-1", [&](v1::Build& build) {
    build.mutable_workspace()->set_hash(end.hash);
    build.mutable_workspace()->set_size_bytes(end.size_bytes);
    v1::Step& step = *build.add_steps();
    step = build.steps(0);
    step.set_id("b");
    *step.mutable_output() = build.workspace();
  });
  EXPECT_EQ(Run({"blame", "build-1", "sub"}), 0) << err_;
  EXPECT_NE(out_.find("b            changed  file        1 B\n"), std::string::npos) << out_;
  // Both steps' own trees lack it, so the newest is named.
  EXPECT_EQ(Run({"blame", "build-1", "sub/file"}), 0) << err_;
  EXPECT_NE(out_.find("b            removed  file"), std::string::npos) << out_;
}

TEST_F(CommandLineTest, FetchPrintsOneFile) {
  WriteFile(folder_ + "/context/empty", "");
  ASSERT_EQ(symlink("file", (folder_ + "/context/sub/link").c_str()), 0);
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  EndBuild(v1::BUILD_STATUS_SUCCEEDED, v1::STEP_STATUS_SUCCEEDED, 0);
  EXPECT_EQ(Run({"fetch", "build-1", "empty", "--to", "-"}), 0) << err_;
  EXPECT_EQ(out_, "");
  EXPECT_EQ(Run({"fetch", "build-1", "--to", "-"}), 2);
  EXPECT_EQ(Run({"fetch", "build-1", "sub/file", "empty", "--to", "-"}), 2);
  EXPECT_EQ(Run({"fetch", "build-1", "sub/nope", "--to", "-"}), 2);
  EXPECT_NE(err_.find("there is no sub/nope in the workspace"), std::string::npos) << err_;
  EXPECT_EQ(Run({"fetch", "build-1", "sub/link", "--to", folder_ + "/link"}), 0) << err_;
  EXPECT_NE(err_.find("fetched 0 files, 1 link, "), std::string::npos) << err_;
  for (const char* path : {"sub", "sub/link", "."}) {
    EXPECT_EQ(Run({"fetch", "build-1", path, "--to", "-"}), 2) << path;
    EXPECT_NE(err_.find("is no file"), std::string::npos) << err_;
    EXPECT_EQ(out_, "");
  }
}

TEST_F(CommandLineTest, FetchDoesNotWriteThroughALink) {
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  EndBuild(v1::BUILD_STATUS_SUCCEEDED, v1::STEP_STATUS_SUCCEEDED, 0);
  mkdir((folder_ + "/elsewhere").c_str(), 0755);
  mkdir((folder_ + "/out").c_str(), 0755);
  ASSERT_EQ(symlink((folder_ + "/elsewhere").c_str(), (folder_ + "/out/sub").c_str()), 0);
  EXPECT_EQ(Run({"fetch", "build-1", "--to", folder_ + "/out"}), 2) << err_;
  EXPECT_EQ(Run({"fetch", "build-1", "--to", folder_ + "/out", "--force"}), 0) << err_;
  EXPECT_NE(access((folder_ + "/elsewhere/file").c_str(), F_OK), 0);
  EXPECT_EQ(ReadFile(folder_ + "/out/sub/file"), "content\n") << "the link was replaced";
}

// What an agent reports is its own word: a tree that no step can have made is refused.
TEST_F(CommandLineTest, FetchRefusesHostileTreesAndWritesNothing) {
  Run({"submit", "--context", folder_ + "/context", "--detach"});
  EndBuild(v1::BUILD_STATUS_SUCCEEDED, v1::STEP_STATUS_SUCCEEDED, 0);
  const auto set_workspace = [&](const blob::Digest& root) {
    service_.Update("build-1", [&](v1::Build& build) {
      build.mutable_workspace()->set_hash(root.hash);
      build.mutable_workspace()->set_size_bytes(root.size_bytes);
    });
  };
  const blob::Digest content = cas_.store().Put("owned");
  const auto file = [&](const std::string& name) {
    return blob::MakeFileNode(name, content, 0644, std::nullopt);
  };
  blob::Directory directory;
  *directory.add_files() = file("escaped");
  const blob::Digest child = cas_.store().Put(blob::Serialise(directory));
  std::vector<blob::Directory> hostile(6);
  *hostile[0].add_files() = file("../escaped");
  *hostile[1].add_files() = file(folder_ + "/escaped");
  *hostile[2].add_symlinks() = blob::MakeSymlinkNode("n", folder_ + "/escaped");
  *hostile[2].add_files() = file("n");
  *hostile[3].add_symlinks() = blob::MakeSymlinkNode("n", folder_);
  *hostile[3].add_directories() = blob::MakeDirectoryNode("n", child);
  *hostile[4].add_directories() = blob::MakeDirectoryNode("..", child);
  *hostile[5].add_files() =
      blob::MakeFileNode("n", {content.hash, int64_t{1} << 50}, 0644, std::nullopt);
  for (size_t i = 0; i < hostile.size(); ++i) {
    set_workspace(cas_.store().Put(blob::Serialise(hostile[i])));
    EXPECT_NE(Run({"fetch", "build-1", "--to", folder_ + "/out"}), 0) << i;
    EXPECT_NE(err_, "") << i;
    EXPECT_NE(access((folder_ + "/escaped").c_str(), F_OK), 0) << i;
    EXPECT_NE(access((folder_ + "/out/n").c_str(), F_OK), 0) << i;
  }
  blob::Digest bomb = child;
  for (int i = 0; i < 25; ++i) {
    directory.Clear();
    *directory.add_directories() = blob::MakeDirectoryNode("a", bomb);
    *directory.add_directories() = blob::MakeDirectoryNode("b", bomb);
    bomb = cas_.store().Put(blob::Serialise(directory));
  }
  set_workspace(bomb);
  EXPECT_NE(Run({"fetch", "build-1", "--to", folder_ + "/out"}), 0);
  EXPECT_NE(err_.find("more than 1000000 entries"), std::string::npos) << err_;

  // Bits that give rights are dropped.
  directory.Clear();
  *directory.add_files() = file("tool");
  directory.mutable_files(0)->mutable_node_properties()->mutable_unix_mode()->set_value(06755);
  set_workspace(cas_.store().Put(blob::Serialise(directory)));
  EXPECT_EQ(Run({"fetch", "build-1", "--to", folder_ + "/out"}), 0) << err_;
  struct stat st;
  ASSERT_EQ(stat((folder_ + "/out/tool").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0755u);
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
