#ifndef RALLY_AGENT_CORE_SECCOMP_PROFILE_H_
#define RALLY_AGENT_CORE_SECCOMP_PROFILE_H_

#include <nlohmann/json_fwd.hpp>

namespace rally::core {

// The `linux.seccomp` object of every step: the system calls that ordinary programs, compilers and
// test runners make are allowed, all others fail with EPERM. Denied are, among others, everything
// that mounts, loads code into the kernel, traces or configures the host, or makes a user namespace
// (each a way out of a container in the past), and io_uring, which goes round seccomp.
// Only for x86-64: a profile of one architecture costs a step nothing to load, one of three 12 to
// 24 ms. A 32-bit or x32 call ends the process. Pure.
nlohmann::json SeccompProfile();

}  // namespace rally::core

#endif  // RALLY_AGENT_CORE_SECCOMP_PROFILE_H_
