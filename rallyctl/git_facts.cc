#include "rallyctl/git_facts.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

extern char** environ;

namespace rally::rallyctl {
namespace {

constexpr size_t kMaxAnswerBytes = 4096;

// These would speak of another repository than the folder's, as in a hook.
bool IsAboutARepository(absl::string_view variable) {
  static const char* const kNames[] = {"GIT_DIR=",        "GIT_WORK_TREE=",
                                       "GIT_INDEX_FILE=", "GIT_COMMON_DIR=",
                                       "GIT_NAMESPACE=",  "GIT_OBJECT_DIRECTORY=",
                                       "GIT_CONFIG=",     "GIT_ALTERNATE_OBJECT_DIRECTORIES="};
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [&](const char* name) { return absl::StartsWith(variable, name); });
}

std::vector<char*> Environment() {
  static const char* const kOurs[] = {"GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "LC_ALL=C"};
  std::vector<char*> result;
  for (const char* variable : kOurs) result.push_back(const_cast<char*>(variable));
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!IsAboutARepository(*variable) && !absl::StartsWith(*variable, "LC_ALL=")) {
      result.push_back(*variable);
    }
  }
  result.push_back(nullptr);
  return result;
}

// Reads to the end of the pipe; false when that doesn't come in time, or the answer is too long.
bool ReadAll(int fd, absl::Time deadline, std::string* answer) {
  while (answer->size() <= kMaxAnswerBytes) {
    const int64_t left = std::max<int64_t>(0, absl::ToInt64Milliseconds(deadline - absl::Now()));
    pollfd ready = {fd, POLLIN, 0};
    const int count = poll(&ready, 1, static_cast<int>(left));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    char buffer[1024];
    const ssize_t size = read(fd, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return false;
    if (size == 0) return true;
    answer->append(buffer, size);
  }
  return false;
}

// Starts git with its standard output on `out`; 0 when that fails.
pid_t StartGit(const std::vector<std::string>& words, int out) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> environment = Environment();
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  // A group of its own: what git starts is killed with it.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, "git", &files, &attributes, argv.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error == 0 ? pid : 0;
}

// The status of a process, which is killed when it hasn't ended in time.
int WaitFor(pid_t pid, absl::Time deadline) {
  int status = 0;
  for (;;) {
    const bool patient = absl::Now() < deadline;
    if (!patient) kill(-pid, SIGKILL);
    const pid_t ended = waitpid(pid, &status, patient ? WNOHANG : 0);
    if (ended == pid) return status;
    if (ended < 0 && errno != EINTR) return -1;
    // It has closed its output already: this is the moment until it is gone.
    if (ended == 0) poll(nullptr, 0, 1);
  }
}

// The one line that git prints; empty when it fails or isn't done in time.
std::string AskGit(const std::string& folder, const std::vector<std::string>& question,
                   absl::Time deadline) {
  std::vector<std::string> words = {"git", "-C", folder};
  words.insert(words.end(), question.begin(), question.end());
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) return "";
  const pid_t pid = StartGit(words, pipe[1]);
  close(pipe[1]);
  std::string answer;
  const bool complete = pid != 0 && ReadAll(pipe[0], deadline, &answer);
  close(pipe[0]);
  if (pid == 0) return "";
  if (!complete) kill(-pid, SIGKILL);
  const int status = WaitFor(pid, deadline);
  if (!complete || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return "";
  answer = std::string(absl::StripAsciiWhitespace(answer));
  return answer.find('\n') == std::string::npos ? answer : "";
}

}  // namespace

std::string WithoutPassword(absl::string_view url) {
  const size_t scheme_end = url.find("://");
  if (scheme_end == absl::string_view::npos) return std::string(url);
  const absl::string_view scheme = url.substr(0, scheme_end);
  const absl::string_view rest = url.substr(scheme_end + 3);
  const absl::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  const size_t at = authority.rfind('@');
  if (at == absl::string_view::npos) return std::string(url);
  absl::string_view user;
  if (absl::EndsWithIgnoreCase(scheme, "ssh")) {
    user = authority.substr(0, at);
    user = user.substr(0, user.find(':'));
  }
  return absl::StrCat(scheme, "://", user, user.empty() ? "" : "@", rest.substr(at + 1));
}

GitFacts ReadGitFacts(const std::string& folder, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  GitFacts facts;
  facts.commit = AskGit(folder, {"rev-parse", "--quiet", "--verify", "HEAD"}, deadline);
  // Before the first commit there may be a branch all the same.
  facts.branch = AskGit(folder, {"symbolic-ref", "--quiet", "--short", "HEAD"}, deadline);
  facts.repository =
      WithoutPassword(AskGit(folder, {"config", "--get", "remote.origin.url"}, deadline));
  if (!facts.commit.empty()) {
    facts.tag = AskGit(folder, {"describe", "--tags", "--exact-match", "HEAD"}, deadline);
  }
  return facts;
}

}  // namespace rally::rallyctl
