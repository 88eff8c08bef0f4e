#ifndef RALLY_AGENT_AGENT_H_
#define RALLY_AGENT_AGENT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/options.h"

namespace rally::agent {

// An agent, whole: everything that a rally-agent process consists of, put together. It returns from
// Start() when it is ready to take orders, whether or not the controller can be reached yet.
// Ownership: owns everything; steps outlive it, unless Options::end_steps_at_stop.
// Threads: thread-safe. Blocking: Start() on disk and containerd; the destructor until no thread
// waits for either, a few seconds unless they hang.
// Errors: those of Start() speak to the operator.
class Agent {
 public:
  // `options` as Complete() left them.
  static absl::StatusOr<std::unique_ptr<Agent>> Start(const Options& options);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Whether the controller has welcomed it.
  bool connected() const;
  const std::string& name() const;

 private:
  struct Parts;

  explicit Agent(std::unique_ptr<Parts> parts);

  const std::unique_ptr<Parts> parts_;
};

}  // namespace rally::agent

#endif  // RALLY_AGENT_AGENT_H_
