// rally-keeper: keeps the pipes of the steps that run on this host, while their agent may come and
// go. See keeper.h. The agent starts it; it ends by itself.

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "agent/keeper/keeper.h"
#include "agent/keeper/protocol.h"
#include "agent/keeper/single_instance.h"

namespace {

constexpr int64_t kDefaultIdleExitMs = 5000;

struct Arguments {
  std::string socket_path;
  int64_t idle_exit_ms = kDefaultIdleExitMs;
};

bool Parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) return false;
    if (std::strcmp(argv[i], "--socket") == 0) {
      arguments->socket_path = argv[i + 1];
    } else if (std::strcmp(argv[i], "--idle-exit-ms") == 0) {
      char* end = nullptr;
      arguments->idle_exit_ms = std::strtoll(argv[i + 1], &end, 10);
      if (*end != '\0' || arguments->idle_exit_ms < 0) return false;
    } else {
      return false;
    }
  }
  return !arguments->socket_path.empty() && arguments->socket_path[0] == '/';
}

// The starter's libraries may have left descriptors open that this process would hold for ever.
void CloseInheritedDescriptors() {
  if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0) return;
  const long limit = sysconf(_SC_OPEN_MAX);
  for (int fd = 3; fd < limit; ++fd) close(fd);
}

// What is held is a step's output before its secrets are masked.
void KeepMemoryOffTheDisk() {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  prctl(PR_SET_DUMPABLE, 0);
}

void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void LetGoOfTheStarter() {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return;
  for (int fd = 0; fd < 3; ++fd) dup2(null, fd);
  if (null > 2) close(null);
}

}  // namespace

int main(int argc, char** argv) {
  using rally::keeper::SingleInstance;
  Arguments arguments;
  if (!Parse(argc, argv, &arguments)) {
    std::fprintf(stderr, "usage: rally-keeper --socket /PATH [--idle-exit-ms N]\n");
    return rally::keeper::kExitUsage;
  }
  CloseInheritedDescriptors();
  KeepMemoryOffTheDisk();
  RaiseDescriptorLimit();
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  std::signal(SIGINT, SIG_IGN);

  SingleInstance instance(arguments.socket_path);
  rally::FileDescriptor listener;
  SingleInstance::Result result = instance.Acquire();
  if (result == SingleInstance::Result::kTaken) {
    std::fprintf(stderr, "another keeper has %s\n", arguments.socket_path.c_str());
    return rally::keeper::kExitAlreadyAlive;
  }
  if (result == SingleInstance::Result::kMine) result = instance.Listen(&listener);
  if (result != SingleInstance::Result::kMine) {
    std::fprintf(stderr, "%s\n", instance.error().c_str());
    return rally::keeper::kExitFailed;
  }
  if (chdir("/") != 0) {
    std::perror("going to /");
    return rally::keeper::kExitFailed;
  }

  // The starter waits for the first process, which ends as soon as the second one can be reached.
  const pid_t child = fork();
  if (child < 0) {
    std::perror("fork");
    instance.RemoveNames();
    return rally::keeper::kExitFailed;
  }
  if (child > 0) _exit(rally::keeper::kExitListening);
  setsid();
  LetGoOfTheStarter();
  rally::keeper::Keeper keeper(std::move(listener), arguments.socket_path, arguments.idle_exit_ms);
  keeper.Run();
  instance.RemoveNames();
  return 0;
}
