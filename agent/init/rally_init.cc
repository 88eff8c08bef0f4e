// PID 1 of every step: `rally-init [--report FILE] --workdir DIR -- COMMAND [ARG...]`.
//
// It runs inside the step's container, from the host's file, against whatever the image holds, so
// it is static and uses nothing but system calls. It makes and enters the working directory, starts
// the command, hands signals on to it, reaps orphans, and ends as the command ends: its code, or
// 128 + n for signal n; 127 = not found, 126 = found but can't be executed, 125 = there is no
// process that could be either. A command may end with 125, too: FILE tells the two apart. It holds
// what only the agent knows, and is emptied just before the command is executed; if it doesn't come
// to that, why is added (see agent/start_report.h). Why it exists: a container is created before
// its workspace is mounted, so what OCI does at create (chdir, PATH lookup) must happen at start;
// and a PID 1 without handlers ignores SIGTERM.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

namespace {

constexpr int kCannotPrepare = 125;
constexpr int kCannotExecute = 126;
constexpr int kNotFound = 127;
constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Of a path in a message that goes further than the log.
constexpr int kMaxShownBytes = 200;

__attribute__((format(printf, 1, 2))) void Say(const char* format, ...) {
  char line[2 * PATH_MAX];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
  va_end(arguments);
  if (length < 0) return;
  if (length > static_cast<int>(sizeof(line)) - 2) length = sizeof(line) - 2;
  line[length++] = '\n';
  // One write, so that the line stays whole beside the step's own output.
  if (write(STDERR_FILENO, line, length) < 0) return;
}

// How many bytes of the text are shown: whole characters of UTF-8.
int ShownBytes(const char* text) {
  int bytes = static_cast<int>(strnlen(text, kMaxShownBytes + 1));
  if (bytes <= kMaxShownBytes) return bytes;
  for (--bytes; bytes > 0 && (text[bytes] & 0xC0) == 0x80;) --bytes;
  return bytes;
}

// Says, in the log and in the report, on what the step's process failed before it began.
int CannotPrepare(const char* report, const char* doing, const char* on, int cause) {
  char text[kMaxShownBytes + 512];
  const int shown = ShownBytes(on);
  const int length = snprintf(text, sizeof(text), "%d %s%.*s%s: %s", cause, doing, shown, on,
                              on[shown] == '\0' ? "" : "...", strerror(cause));
  Say("rally: %s", strchr(text, ' ') + 1);
  if (report == nullptr) return kCannotPrepare;
  const int fd = open(report, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
  // Without the reason, the report still says that there was no process.
  if (fd < 0 || write(fd, text, length) < 0) Say("rally: %s: %s", report, strerror(errno));
  return kCannotPrepare;
}

// Once it's empty, nobody can say any more that the command was never reached.
bool EmptyReport(const char* report) {
  if (report == nullptr) return true;
  const int fd = open(report, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return false;
  close(fd);
  return true;
}

// mkdir -p, then chdir. Directories that exist are entered as they are, symbolic links included.
bool EnterDirectory(const char* directory) {
  char path[PATH_MAX];
  const size_t length = strlen(directory);
  if (length >= sizeof(path)) {
    errno = ENAMETOOLONG;
    return false;
  }
  memcpy(path, directory, length + 1);
  if (chdir(path) == 0) return true;
  for (char* end = path + 1;; ++end) {
    if (*end != '/' && *end != '\0') continue;
    const char separator = *end;
    *end = '\0';
    if (mkdir(path, 0755) != 0 && errno != EEXIST && errno != EISDIR) {
      // A parent may be on a file system that refuses mkdir and yet have the directory.
      struct stat found;
      const int cause = errno;
      if (stat(path, &found) != 0) {
        errno = cause;
        return false;
      }
    }
    *end = separator;
    if (separator == '\0') break;
  }
  return chdir(path) == 0;
}

// Whether a regular file or a link to one stands where `command` would be looked up; says where.
bool Exists(const char* command, char* where) {
  struct stat found;
  if (strchr(command, '/') != nullptr) {
    snprintf(where, PATH_MAX, "%s", command);
    return stat(command, &found) == 0;
  }
  const char* path = getenv("PATH");
  if (path == nullptr) path = kDefaultPath;
  while (true) {
    const char* end = strchrnul(path, ':');
    const int length = static_cast<int>(end - path);
    const int written =
        snprintf(where, PATH_MAX, "%.*s%s%s", length, path, length == 0 ? "" : "/", command);
    if (written < PATH_MAX && stat(where, &found) == 0) return true;
    if (*end == '\0') return false;
    path = end + 1;
  }
}

[[noreturn]] void Execute(char** command) {
  if (getenv("PATH") == nullptr) setenv("PATH", kDefaultPath, 1);
  execvp(command[0], command);
  const int cause = errno;
  char where[PATH_MAX];
  if (cause == ENOENT || cause == ENOTDIR) {
    if (Exists(command[0], where)) {
      Say("rally: cannot execute %s: the interpreter or dynamic loader that it names is not in the "
          "image",
          where);
      _exit(kNotFound);
    }
    Say("rally: entry point not found: %s (PATH=%s); check args and entryPoint, or the image",
        command[0], getenv("PATH"));
    _exit(kNotFound);
  }
  if (!Exists(command[0], where)) snprintf(where, sizeof(where), "%s", command[0]);
  if (cause == EACCES) {
    Say("rally: entry point not executable: %s: %s; is it a directory, or without the x bit?",
        where, strerror(cause));
  } else {
    Say("rally: cannot execute %s: %s", where, strerror(cause));
  }
  _exit(kCannotExecute);
}

// Hands signals on to the command's process group and reaps until the command ends.
int Supervise(pid_t child, const sigset_t& signals) {
  while (true) {
    siginfo_t received;
    if (sigwaitinfo(&signals, &received) < 0) continue;  // EINTR: stopped and continued.
    if (received.si_signo != SIGCHLD) {
      // The whole group, as a terminal does it: a shell waits for its command before it runs a
      // trap.
      if (kill(-child, received.si_signo) != 0) kill(child, received.si_signo);
      continue;
    }
    while (true) {
      int status = 0;
      const pid_t ended = waitpid(-1, &status, WNOHANG);
      if (ended <= 0) break;
      if (ended != child) continue;
      return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
  }
}

int Usage() {
  Say("usage: rally-init [--report FILE] --workdir DIR -- COMMAND [ARG...]");
  return kCannotPrepare;
}

}  // namespace

int main(int argc, char** argv) {
  const char* report = nullptr;
  if (argc > 2 && strcmp(argv[1], "--report") == 0) {
    report = argv[2];
    argc -= 2;
    argv += 2;
  }
  if (argc < 5 || strcmp(argv[1], "--workdir") != 0 || strcmp(argv[3], "--") != 0) return Usage();
  const char* directory = argv[2];
  char** command = argv + 4;

  // Blocked signals wait for sigwaitinfo, even those that a PID 1 would otherwise never see.
  sigset_t signals, original;
  sigfillset(&signals);
  for (int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS}) {
    sigdelset(&signals, fault);
  }
  // A step has no terminal; being stopped by one would hang it.
  for (int stop : {SIGTTIN, SIGTTOU, SIGTSTP}) sigdelset(&signals, stop);
  sigprocmask(SIG_BLOCK, &signals, &original);
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // For orphans, when this isn't PID 1.

  // As Docker does it: files that a step makes are readable to the next one's user.
  umask(0022);
  if (!EnterDirectory(directory)) {
    return CannotPrepare(report, "cannot enter the working directory ", directory, errno);
  }
  const pid_t child = fork();
  if (child < 0) {
    return CannotPrepare(report, "cannot make a process for the step", "", errno);
  }
  if (child == 0) {
    setpgid(0, 0);
    sigprocmask(SIG_SETMASK, &original, nullptr);
    if (!EmptyReport(report)) _exit(CannotPrepare(report, "cannot write to ", report, errno));
    Execute(command);
  }
  setpgid(child, child);  // In both, so that no signal comes too early for the group.
  return Supervise(child, signals);
}
