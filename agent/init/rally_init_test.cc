// Runs the embedded init as a plain process: signals, exit codes and messages don't depend on its
// being PID 1, and where they do, tests/contract runs it in containers.

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/init/embedded_init.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::agent {
namespace {

using ::testing::HasSubstr;

struct Ended {
  int exit_code = -1;
  std::string out;  // Standard output and error in one.
};

// An init that was started and not yet waited for.
class RunningInit {
 public:
  // `before`, if any, is done by its process, and has to be true.
  RunningInit(const std::string& init, const std::vector<std::string>& arguments,
              bool (*before)() = nullptr) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
    pid_ = fork();
    if (pid_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      dup2(ends[1], STDERR_FILENO);
      std::vector<char*> argv = {const_cast<char*>(init.c_str())};
      for (const std::string& argument : arguments)
        argv.push_back(const_cast<char*>(argument.c_str()));
      argv.push_back(nullptr);
      if (before != nullptr && !before()) _exit(98);
      execv(init.c_str(), argv.data());
      _exit(99);
    }
    close(ends[1]);
    out_ = ends[0];
  }
  ~RunningInit() { close(out_); }

  pid_t pid() const { return pid_; }

  // Blocks until the output holds `text` or has ended.
  bool ReadUntil(const std::string& text) {
    char buffer[4096];
    while (!absl::StrContains(read_, text)) {
      const ssize_t n = read(out_, buffer, sizeof(buffer));
      if (n <= 0) return false;
      read_.append(buffer, n);
    }
    return true;
  }

  Ended Wait() {
    char buffer[4096];
    ssize_t n;
    while ((n = read(out_, buffer, sizeof(buffer))) > 0) read_.append(buffer, n);
    int status = 0;
    waitpid(pid_, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), read_};
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  std::string read_;
};

class RallyInitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Not in the tests' own, which nobody else may enter.
    std::string pattern = "/tmp/rally_init_XXXXXX";
    directory_ = mkdtemp(pattern.data());
    init_ = absl::StrCat(directory_, "/init");
    std::ofstream(init_, std::ios::binary) << EmbeddedInit();
    ASSERT_EQ(chmod(init_.c_str(), 0755), 0);
  }

  void TearDown() override { std::filesystem::remove_all(directory_); }

  Ended Run(const std::string& work_dir, const std::vector<std::string>& command) {
    std::vector<std::string> arguments = {"--workdir", work_dir, "--"};
    arguments.insert(arguments.end(), command.begin(), command.end());
    return RunningInit(init_, arguments).Wait();
  }

  static std::string Read(const std::string& path) {
    std::ostringstream content;
    content << std::ifstream(path).rdbuf();
    return content.str();
  }

  std::string directory_, init_;
};

TEST_F(RallyInitTest, IsASmallStaticExecutable) {
  ASSERT_GT(EmbeddedInit().size(), 4096u);
  EXPECT_LT(EmbeddedInit().size(), 1200u * 1024);
  EXPECT_EQ(EmbeddedInit().substr(0, 4), "\177ELF");
  Elf64_Ehdr header;
  memcpy(&header, EmbeddedInit().data(), sizeof(header));
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    memcpy(&segment, EmbeddedInit().data() + header.e_phoff + i * sizeof(segment), sizeof(segment));
    EXPECT_NE(segment.p_type, static_cast<uint32_t>(PT_INTERP)) << "it needs a dynamic loader";
  }
}

TEST_F(RallyInitTest, EndsWithTheCommandsExitCode) {
  for (int code : {0, 1, 7, 125, 255}) {
    EXPECT_EQ(Run("/", {"sh", "-c", absl::StrCat("exit ", code)}).exit_code, code);
  }
}

TEST_F(RallyInitTest, PassesArgumentsUntouched) {
  const Ended ended = Run("/", {"printf", "<%s>", "a b", "", "--", "$HOME"});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.out, "<a b><><--><$HOME>");
}

TEST_F(RallyInitTest, MakesAndEntersTheWorkingDirectory) {
  const std::string deep = absl::StrCat(directory_, "/new/er/dir");
  const Ended ended = Run(deep, {"pwd"});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.out, deep + "\n");
}

TEST_F(RallyInitTest, SaysWhyItCannotEnterTheWorkingDirectory) {
  const std::string file = absl::StrCat(directory_, "/file");
  std::ofstream(file) << "x";
  const Ended ended = Run(file + "/below", {"true"});
  EXPECT_EQ(ended.exit_code, 125);
  EXPECT_THAT(ended.out, HasSubstr("rally: cannot enter the working directory " + file + "/below"));
  EXPECT_THAT(ended.out, HasSubstr("Not a directory"));
}

TEST_F(RallyInitTest, ReportsWhyThereIsNoProcessOfTheStep) {
  const std::string file = absl::StrCat(directory_, "/file");
  std::ofstream(file) << "secret\n";
  EXPECT_EQ(
      RunningInit(init_, {"--report", file, "--workdir", file, "--", "true"}).Wait().exit_code,
      125);
  EXPECT_EQ(Read(file), absl::StrCat("secret\n", ENOTDIR, " cannot enter the working directory ",
                                     file, ": Not a directory"));
}

TEST_F(RallyInitTest, ALongPathIsShownInPart) {
  const std::string file = absl::StrCat(directory_, "/file");
  // The 200th byte is within a character.
  const std::string path =
      absl::StrCat("/", std::string(198, 'x'), "\u00e4", std::string(5000, 'y'));
  std::ofstream(file) << "";
  EXPECT_EQ(
      RunningInit(init_, {"--report", file, "--workdir", path, "--", "true"}).Wait().exit_code,
      125);
  EXPECT_EQ(Read(file), absl::StrCat(ENAMETOOLONG, " cannot enter the working directory /",
                                     std::string(198, 'x'), "...: File name too long"));
}

TEST_F(RallyInitTest, ReportsAForkThatFails) {
  if (getuid() != 0) GTEST_SKIP() << "only root can become somebody who may have no more processes";
  constexpr uid_t kSomebody = 54321;
  ASSERT_EQ(chmod(directory_.c_str(), 0755), 0);
  const std::string file = absl::StrCat(directory_, "/file");
  std::ofstream(file) << "secret\n";
  ASSERT_EQ(chmod(file.c_str(), 0622), 0);
  const Ended ended = RunningInit(init_, {"--report", file, "--workdir", "/", "--", "true"}, [] {
                        const rlimit one = {1, 1};
                        return setresuid(kSomebody, kSomebody, kSomebody) == 0 &&
                               setrlimit(RLIMIT_NPROC, &one) == 0;
                      }).Wait();
  EXPECT_EQ(ended.exit_code, 125);
  EXPECT_THAT(ended.out, HasSubstr("rally: cannot make a process for the step"));
  EXPECT_THAT(Read(file), HasSubstr(absl::StrCat("secret\n", EAGAIN, " cannot make a process")));
}

TEST_F(RallyInitTest, TheReportIsEmptyBeforeTheCommandBegins) {
  const std::string file = absl::StrCat(directory_, "/file");
  std::ofstream(file) << "secret\n";
  const Ended ended = RunningInit(init_, {"--report", file, "--workdir", "/", "--", "sh", "-c",
                                          "wc -c < $0; exit 125", file})
                          .Wait();
  EXPECT_EQ(ended.exit_code, 125);
  EXPECT_EQ(ended.out, "0\n");
  std::ofstream(file) << "secret\n";
  EXPECT_EQ(
      RunningInit(init_, {"--report", file, "--workdir", "/", "--", "./none"}).Wait().exit_code,
      127);
  EXPECT_EQ(Read(file), "");
}

TEST_F(RallyInitTest, WithoutItsReportTheCommandIsNotRun) {
  const Ended ended = RunningInit(init_, {"--report", absl::StrCat(directory_, "/none"),
                                          "--workdir", "/", "--", "echo", "ran"})
                          .Wait();
  EXPECT_EQ(ended.exit_code, 125);
  EXPECT_THAT(ended.out, HasSubstr("rally: cannot write to "));
}

TEST_F(RallyInitTest, NotFoundIs127) {
  const Ended by_path = Run("/", {"no-such-command"});
  EXPECT_EQ(by_path.exit_code, 127);
  EXPECT_THAT(by_path.out, HasSubstr("rally: entry point not found: no-such-command"));
  EXPECT_EQ(Run("/", {"./no-such-file"}).exit_code, 127);
}

TEST_F(RallyInitTest, NotExecutableIs126) {
  const std::string file = absl::StrCat(directory_, "/plain");
  std::ofstream(file) << "#!/bin/sh\n";
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  const Ended ended = Run(directory_, {"./plain"});
  EXPECT_EQ(ended.exit_code, 126);
  EXPECT_THAT(ended.out, HasSubstr("rally: entry point not executable: ./plain"));
  EXPECT_EQ(Run("/", {directory_}).exit_code, 126);
}

TEST_F(RallyInitTest, NamesAMissingInterpreter) {
  const std::string file = absl::StrCat(directory_, "/script");
  std::ofstream(file) << "#!/no/such/interpreter\n";
  ASSERT_EQ(chmod(file.c_str(), 0755), 0);
  const Ended ended = Run("/", {file});
  EXPECT_EQ(ended.exit_code, 127);
  EXPECT_THAT(ended.out, HasSubstr("interpreter"));
}

TEST_F(RallyInitTest, ASignalThatEndsTheCommandIs128More) {
  EXPECT_EQ(Run("/", {"sh", "-c", "kill -9 $$"}).exit_code, 128 + SIGKILL);
  EXPECT_EQ(Run("/", {"sh", "-c", "kill -SEGV $$"}).exit_code, 128 + SIGSEGV);
}

TEST_F(RallyInitTest, HandsSignalsOnToTheCommandAndItsChildren) {
  RunningInit init(init_,
                   {"--workdir", "/", "--", "sh", "-c",
                    "trap 'wait; echo outer; exit 9' TERM;"
                    "sh -c 'trap \"echo inner; exit\" TERM; echo ready; while :; do :; done' &"
                    "wait"});
  ASSERT_TRUE(init.ReadUntil("ready"));
  ASSERT_EQ(kill(init.pid(), SIGTERM), 0);
  const Ended ended = init.Wait();
  EXPECT_EQ(ended.exit_code, 9);
  EXPECT_EQ(ended.out, "ready\ninner\nouter\n");
}

TEST_F(RallyInitTest, SignalsHaveTheirDefaultEffectOnTheCommand) {
  RunningInit init(init_, {"--workdir", "/", "--", "sh", "-c", "echo ready; exec sleep 300"});
  ASSERT_TRUE(init.ReadUntil("ready"));
  ASSERT_EQ(kill(init.pid(), SIGINT), 0);
  EXPECT_EQ(init.Wait().exit_code, 128 + SIGINT);
}

TEST_F(RallyInitTest, ReapsOrphansAndStillReportsTheCommand) {
  // Ends only when the shell is init's last child, zombies included.
  const Ended ended = Run(
      "/", {"sh", "-c",
            "for i in 1 2 3; do (sh -c 'exit 3' &); done;"
            "while [ \"$(cat /proc/$PPID/task/$PPID/children)\" != \"$$ \" ]; do :; done; exit 4"});
  EXPECT_EQ(ended.exit_code, 4) << ended.out;
}

TEST_F(RallyInitTest, RefusesABadCommandLine) {
  EXPECT_EQ(RunningInit(init_, {"--workdir", "/"}).Wait().exit_code, 125);
  EXPECT_EQ(RunningInit(init_, {"true"}).Wait().exit_code, 125);
}

}  // namespace
}  // namespace rally::agent
