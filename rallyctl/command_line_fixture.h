#ifndef RALLY_RALLYCTL_COMMAND_LINE_FIXTURE_H_
#define RALLY_RALLYCTL_COMMAND_LINE_FIXTURE_H_

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rallyctl/command_line.h"
#include "rallyctl/fetch/install_tree.h"
#include "rallyctl/testing/memory_cas_service.h"
#include "rallyctl/testing/scripted_build_service.h"

namespace rally::rallyctl {

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

inline constexpr char kPipeline[] =
    "[[step]]\nid = \"a\"\nimage = \"busybox\"\nargs = [\"true\"]\n";

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

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_COMMAND_LINE_FIXTURE_H_
