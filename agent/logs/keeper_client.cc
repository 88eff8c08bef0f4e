#include "agent/logs/keeper_client.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "agent/keeper/protocol.h"

namespace rally::logs {
namespace {

constexpr size_t kMaxComplaintBytes = 4096;

bool FileHolds(const std::string& path, absl::string_view expected) {
  FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status;
  if (!file.valid() || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      static_cast<size_t>(status.st_size) != expected.size() || (status.st_mode & S_IXUSR) == 0) {
    return false;
  }
  std::string contents(expected.size(), '\0');
  size_t done = 0;
  while (done < contents.size()) {
    const ssize_t got = read(file.get(), &contents[done], contents.size() - done);
    if (got <= 0) return false;
    done += got;
  }
  return contents == expected;
}

absl::Status WriteFile(int fd, absl::string_view contents, const std::string& path) {
  while (!contents.empty()) {
    const ssize_t written = write(fd, contents.data(), contents.size());
    if (written < 0 && errno != EINTR) {
      return absl::ErrnoToStatus(errno, absl::StrCat("writing the keeper to ", path));
    }
    if (written > 0) contents.remove_prefix(written);
  }
  return absl::OkStatus();
}

// Reads until the other end closes or `deadline` comes. The keeper's pipe is closed as soon as it
// runs on its own or has failed.
std::string ReadComplaint(int fd, absl::Time deadline) {
  std::string complaint;
  char buffer[512];
  while (complaint.size() < kMaxComplaintBytes) {
    pollfd polled{fd, POLLIN, 0};
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0 || poll(&polled, 1, static_cast<int>(left)) <= 0) break;
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got <= 0) break;
    complaint.append(buffer, got);
  }
  return std::string(absl::StripSuffix(complaint, "\n"));
}

}  // namespace

KeeperClient::KeeperClient(const Options& options)
    : options_(options),
      executable_path_(options.directory + "/rally-keeper"),
      socket_path_(options.directory + "/keeper.sock") {}

absl::StatusOr<std::unique_ptr<KeeperClient>> KeeperClient::Start(const Options& options) {
  if (options.directory.empty() || options.directory[0] != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("the keeper's directory must be absolute, not '", options.directory, "'"));
  }
  if (mkdir(options.directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, absl::StrCat("making ", options.directory));
  }
  auto client = absl::WrapUnique(new KeeperClient(options));
  const absl::StatusOr<std::unique_ptr<KeeperConnection>> connection = client->Connect();
  if (!connection.ok()) return connection.status();
  return client;
}

absl::StatusOr<std::unique_ptr<KeeperConnection>> KeeperClient::Connect() {
  const absl::Time deadline = absl::Now() + options_.timeout;
  absl::Duration pause = absl::Milliseconds(1);
  while (true) {
    absl::StatusOr<std::unique_ptr<KeeperConnection>> connection =
        KeeperConnection::Connect(socket_path_, options_.timeout);
    if (connection.ok()) {
      StayPresent();
      return connection;
    }
    if (!absl::IsUnavailable(connection.status()) || absl::Now() >= deadline) {
      return connection.status();
    }
    const absl::Status spawned = Spawn();
    if (!spawned.ok()) return spawned;
    // The keeper that is there may be on its way out; then the next round starts another.
    absl::SleepFor(pause);
    pause = std::min(2 * pause, absl::Milliseconds(50));
  }
}

void KeeperClient::StayPresent() {
  std::unique_ptr<KeeperConnection> present;
  {
    absl::MutexLock lock(&mutex_);
    if (presence_ != nullptr && !presence_->Closed()) return;
  }
  absl::StatusOr<std::unique_ptr<KeeperConnection>> fresh =
      KeeperConnection::Connect(socket_path_, options_.timeout);
  if (!fresh.ok()) return;  // It left at this moment; the next Connect() tries again.
  absl::MutexLock lock(&mutex_);
  presence_ = *std::move(fresh);
}

absl::StatusOr<std::vector<std::string>> KeeperClient::List() {
  const absl::StatusOr<std::unique_ptr<KeeperConnection>> connection = Connect();
  if (!connection.ok()) return connection.status();
  return (*connection)->List();
}

absl::Status KeeperClient::Forget(const std::string& key) {
  const absl::StatusOr<std::unique_ptr<KeeperConnection>> connection = Connect();
  if (!connection.ok()) return connection.status();
  const absl::Status forgotten = (*connection)->Forget(key);
  return absl::IsNotFound(forgotten) ? absl::OkStatus() : forgotten;
}

absl::Status KeeperClient::ExitIfIdle() {
  {
    absl::MutexLock lock(&mutex_);
    presence_.reset();
  }
  const absl::StatusOr<std::unique_ptr<KeeperConnection>> connection =
      KeeperConnection::Connect(socket_path_, options_.timeout);
  if (absl::IsUnavailable(connection.status())) return absl::OkStatus();
  if (!connection.ok()) return connection.status();
  return (*connection)->ExitIfIdle();
}

absl::Status KeeperClient::InstallExecutable() const {
  if (FileHolds(executable_path_, options_.executable)) return absl::OkStatus();
  // A keeper that runs keeps its file: the new one only takes the name over.
  std::string temporary = executable_path_ + ".XXXXXX";
  FileDescriptor file(mkostemp(&temporary[0], O_CLOEXEC));
  if (!file.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("making ", temporary));
  auto remove = absl::MakeCleanup([&temporary] { unlink(temporary.c_str()); });
  const absl::Status written = WriteFile(file.get(), options_.executable, temporary);
  if (!written.ok()) return written;
  if (fchmod(file.get(), 0700) != 0 || rename(temporary.c_str(), executable_path_.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("installing ", executable_path_));
  }
  std::move(remove).Cancel();
  return absl::OkStatus();
}

absl::Status KeeperClient::Spawn() const {
  const absl::Status installed = InstallExecutable();
  if (!installed.ok()) return installed;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "making a pipe");
  FileDescriptor complaints(ends[0]);
  FileDescriptor complaints_in(ends[1]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, complaints_in.get(), 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  const std::string idle_ms = absl::StrCat(absl::ToInt64Milliseconds(options_.idle_exit));
  const char* arguments[] = {executable_path_.c_str(), "--socket",      socket_path_.c_str(),
                             "--idle-exit-ms",         idle_ms.c_str(), nullptr};
  // No environment: the agent's may hold what a process that outlives it shouldn't show.
  char* environment[] = {nullptr};
  const absl::Time deadline = absl::Now() + options_.timeout;
  pid_t pid = -1;
  int error;
  // Another thread that forks between our writing the executable and its exec() holds it open for
  // writing for a moment.
  while ((error = posix_spawn(&pid, executable_path_.c_str(), &actions, &attributes,
                              const_cast<char**>(arguments), environment)) == ETXTBSY &&
         absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return absl::ErrnoToStatus(error, absl::StrCat("starting the keeper ", executable_path_));
  }
  complaints_in.Close();

  const std::string complaint = ReadComplaint(complaints.get(), deadline);
  if (absl::Now() >= deadline) kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && (WEXITSTATUS(status) == keeper::kExitListening ||
                            WEXITSTATUS(status) == keeper::kExitAlreadyAlive)) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat("the keeper ", executable_path_, " didn't start: ",
                                             WIFEXITED(status)
                                                 ? absl::StrCat("exit status ", WEXITSTATUS(status))
                                                 : absl::StrCat("signal ", WTERMSIG(status)),
                                             complaint.empty() ? "" : ": ", complaint));
}

}  // namespace rally::logs
