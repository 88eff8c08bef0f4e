#include "agent/core/seccomp_profile.h"

#include <cstdint>
#include <nlohmann/json.hpp>

namespace rally::core {
namespace {

using nlohmann::json;

constexpr int kEperm = 1;
constexpr int kEnosys = 38;

// Files, directories, descriptors.
constexpr const char* kFileCalls[] = {
    "access",      "cachestat",
    "chdir",       "chmod",
    "chown",       "close",
    "close_range", "copy_file_range",
    "creat",       "dup",
    "dup2",        "dup3",
    "faccessat",   "faccessat2",
    "fadvise64",   "fallocate",
    "fchdir",      "fchmod",
    "fchmodat",    "fchmodat2",
    "fchown",      "fchownat",
    "fcntl",       "fdatasync",
    "fgetxattr",   "flistxattr",
    "flock",       "fremovexattr",
    "fsetxattr",   "fstat",
    "fstatfs",     "fsync",
    "ftruncate",   "futimesat",
    "getcwd",      "getdents",
    "getdents64",  "getxattr",
    "ioctl",       "lchown",
    "lgetxattr",   "link",
    "linkat",      "listxattr",
    "llistxattr",  "lremovexattr",
    "lseek",       "lsetxattr",
    "lstat",       "mkdir",
    "mkdirat",     "mknod",
    "mknodat",     "name_to_handle_at",
    "newfstatat",  "open",
    "openat",      "openat2",
    "pipe",        "pipe2",
    "pread64",     "preadv",
    "preadv2",     "pwrite64",
    "pwritev",     "pwritev2",
    "read",        "readahead",
    "readlink",    "readlinkat",
    "readv",       "removexattr",
    "rename",      "renameat",
    "renameat2",   "rmdir",
    "sendfile",    "setxattr",
    "splice",      "stat",
    "statfs",      "statx",
    "symlink",     "symlinkat",
    "sync",        "sync_file_range",
    "syncfs",      "tee",
    "truncate",    "umask",
    "unlink",      "unlinkat",
    "utime",       "utimensat",
    "utimes",      "vmsplice",
    "write",       "writev",
};

// Waiting for several things, asynchronous input and output, message queues.
constexpr const char* kEventCalls[] = {
    "epoll_create",      "epoll_create1", "epoll_ctl",      "epoll_ctl_old",    "epoll_pwait",
    "epoll_pwait2",      "epoll_wait",    "epoll_wait_old", "eventfd",          "eventfd2",
    "inotify_add_watch", "inotify_init",  "inotify_init1",  "inotify_rm_watch", "io_cancel",
    "io_destroy",        "io_getevents",  "io_pgetevents",  "io_setup",         "io_submit",
    "mq_getsetattr",     "mq_notify",     "mq_open",        "mq_timedreceive",  "mq_timedsend",
    "mq_unlink",         "poll",          "ppoll",          "pselect6",         "select",
    "signalfd",          "signalfd4",     "timerfd_create", "timerfd_gettime",  "timerfd_settime",
};

// Memory and System V IPC (in the step's own IPC namespace).
constexpr const char* kMemoryCalls[] = {
    "brk",
    "madvise",
    "map_shadow_stack",
    "membarrier",
    "memfd_create",
    "memfd_secret",
    "mincore",
    "mlock",
    "mlock2",
    "mlockall",
    "mmap",
    "mprotect",
    "mremap",
    "mseal",
    "msgctl",
    "msgget",
    "msgrcv",
    "msgsnd",
    "msync",
    "munlock",
    "munlockall",
    "munmap",
    "pkey_alloc",
    "pkey_free",
    "pkey_mprotect",
    "process_madvise",
    "process_mrelease",
    "remap_file_pages",
    "semctl",
    "semget",
    "semop",
    "semtimedop",
    "shmat",
    "shmctl",
    "shmdt",
    "shmget",
};

// Processes, threads, credentials, scheduling. Tracing reaches only the step's own processes.
constexpr const char* kProcessCalls[] = {
    "arch_prctl",
    "capget",
    "capset",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "fork",
    "futex",
    "futex_requeue",
    "futex_wait",
    "futex_waitv",
    "futex_wake",
    "get_robust_list",
    "get_thread_area",
    "getcpu",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getresgid",
    "getresuid",
    "getrlimit",
    "getrusage",
    "getsid",
    "gettid",
    "getuid",
    "ioprio_get",
    "ioprio_set",
    "kill",
    "landlock_add_rule",
    "landlock_create_ruleset",
    "landlock_restrict_self",
    "modify_ldt",
    "pidfd_open",
    "pidfd_send_signal",
    "prctl",
    "prlimit64",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "rseq",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getaffinity",
    "sched_getattr",
    "sched_getparam",
    "sched_getscheduler",
    "sched_rr_get_interval",
    "sched_setaffinity",
    "sched_setattr",
    "sched_setparam",
    "sched_setscheduler",
    "sched_yield",
    "seccomp",
    "set_robust_list",
    "set_thread_area",
    "set_tid_address",
    "setfsgid",
    "setfsuid",
    "setgid",
    "setgroups",
    "setpgid",
    "setpriority",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setrlimit",
    "setsid",
    "setuid",
    "sysinfo",
    "tgkill",
    "tkill",
    "uname",
    "vfork",
    "wait4",
    "waitid",
};

constexpr const char* kSignalAndTimeCalls[] = {
    "adjtimex",        "alarm",         "clock_adjtime",   "clock_getres",      "clock_gettime",
    "clock_nanosleep", "getitimer",     "gettimeofday",    "nanosleep",         "pause",
    "restart_syscall", "rt_sigaction",  "rt_sigpending",   "rt_sigprocmask",    "rt_sigqueueinfo",
    "rt_sigreturn",    "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo", "setitimer",
    "sigaltstack",     "time",          "timer_create",    "timer_delete",      "timer_getoverrun",
    "timer_gettime",   "timer_settime", "times",
};

// `socket` itself has conditions; see below.
constexpr const char* kSocketCalls[] = {
    "accept",     "accept4", "bind",       "connect",  "getpeername", "getsockname",
    "getsockopt", "listen",  "recvfrom",   "recvmmsg", "recvmsg",     "sendmmsg",
    "sendmsg",    "sendto",  "setsockopt", "shutdown", "socketpair",
};

json Allow(json names) { return {{"names", std::move(names)}, {"action", "SCMP_ACT_ALLOW"}}; }

json AllowWhenFirstArgumentIs(const char* name, uint64_t value) {
  json rule = Allow(json::array({name}));
  rule["args"] = {{{"index", 0}, {"value", value}, {"op", "SCMP_CMP_EQ"}}};
  return rule;
}

}  // namespace

nlohmann::json SeccompProfile() {
  json names = json::array();
  auto add = [&names](const auto& group) {
    for (const char* name : group) names.push_back(name);
  };
  add(kFileCalls);
  add(kEventCalls);
  add(kMemoryCalls);
  add(kProcessCalls);
  add(kSignalAndTimeCalls);
  add(kSocketCalls);

  json rules = json::array();
  rules.push_back(Allow(std::move(names)));
  // AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET. Not AF_VSOCK, which reaches a hypervisor
  // past every network namespace, and none of the rarely used families where kernel bugs live.
  for (uint64_t family : {1, 2, 10, 16, 17}) {
    rules.push_back(AllowWhenFirstArgumentIs("socket", family));
  }
  // Linux, 32-bit uname, and both without address randomisation; 0xffffffff asks.
  for (uint64_t persona : {0x0ul, 0x8ul, 0x20000ul, 0x20008ul, 0x40000ul, 0xfffffffful}) {
    rules.push_back(AllowWhenFirstArgumentIs("personality", persona));
  }
  // clone without any of the CLONE_NEW* flags.
  json clone = Allow(json::array({"clone"}));
  clone["args"] = {
      {{"index", 0}, {"value", 0x7e020000}, {"valueTwo", 0}, {"op", "SCMP_CMP_MASKED_EQ"}}};
  rules.push_back(std::move(clone));
  // Its flags lie in memory, where seccomp can't look; ENOSYS makes C libraries fall back to clone.
  rules.push_back(
      {{"names", json::array({"clone3"})}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", kEnosys}});

  return {{"defaultAction", "SCMP_ACT_ERRNO"},
          {"defaultErrnoRet", kEperm},
          {"architectures", json::array({"SCMP_ARCH_X86_64"})},
          {"syscalls", std::move(rules)}};
}

}  // namespace rally::core
