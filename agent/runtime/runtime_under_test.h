#ifndef RALLY_AGENT_RUNTIME_RUNTIME_UNDER_TEST_H_
#define RALLY_AGENT_RUNTIME_RUNTIME_UNDER_TEST_H_

#include <string>

#include "agent/runtime/container_runtime.h"

namespace rally::runtime {

// What a test container's process does.
struct Behaviour {
  enum class Kind {
    kExit,           // Ends at once, with `number`.
    kDieBySignal,    // Kills itself with signal `number`.
    kRunForever,     // Until a signal ends it.
    kExitOnTerm,     // Runs until SIGTERM, then exits with `number`.
    kNotFound,       // Its entry point doesn't exist.
    kNotExecutable,  // Its entry point is no program.
    kExhaustMemory,  // Takes more memory than its limit.
  };
  Kind kind = Kind::kExit;
  int number = 0;
};

// What the contract needs to know of the runtime that it tests.
class RuntimeUnderTest {
 public:
  virtual ~RuntimeUnderTest() = default;

  virtual ContainerRuntime& runtime() = 0;
  // A new runtime object on the same containers, as after a restart of the agent.
  virtual void Restart() = 0;
  // A spec with this id that behaves so, everything it needs (image, FIFOs, workspace) in place.
  virtual ContainerSpec Spec(const std::string& id, Behaviour behaviour) = 0;
  // A reference that EnsureImage() can get, and one that it can't.
  virtual std::string KnownImage() = 0;
  virtual std::string UnknownImage() = 0;
  // Returns once a kExitOnTerm container is ready for its signal.
  virtual void AwaitReady(const std::string& id) = 0;
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_RUNTIME_UNDER_TEST_H_
