#include "tests/blob/spawned_server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"

namespace rally::testing {
namespace {

// Up to its end, or the line that is waited for.
std::string ReadAddress(int fd) {
  std::string said;
  char piece[256];
  while (!absl::StrContains(said, "\n")) {
    const ssize_t n = read(fd, piece, sizeof(piece));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return "";
    said.append(piece, n);
  }
  absl::string_view line = said;
  line = line.substr(0, line.find('\n'));
  return absl::ConsumePrefix(&line, "listening on ") ? std::string(line) : "";
}

}  // namespace

SpawnedServer::SpawnedServer(std::vector<std::string> command) {
  std::string pattern = absl::StrCat(::testing::TempDir(), "/store_XXXXXX");
  directory_ = mkdtemp(pattern.data());
  std::vector<char*> argv;
  for (std::string& word : command) {
    if (word == "DIR") word = directory_;
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  pid_ = fork();
  if (pid_ == 0) {
    // It must not outlive a test that crashes.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ends[1], STDOUT_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(ends[1]);
  if (pid_ > 0) address_ = ReadAddress(ends[0]);
  close(ends[0]);
}

SpawnedServer::~SpawnedServer() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::filesystem::remove_all(directory_);
}

std::shared_ptr<grpc::Channel> SpawnedServer::NewChannel() const {
  return grpc::CreateChannel(address_, grpc::InsecureChannelCredentials());
}

}  // namespace rally::testing
