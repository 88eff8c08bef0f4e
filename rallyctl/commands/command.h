#ifndef RALLY_RALLYCTL_COMMANDS_COMMAND_H_
#define RALLY_RALLYCTL_COMMANDS_COMMAND_H_

#include <functional>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rallyctl/connection.h"
#include "rallyctl/exit_status.h"
#include "rallyctl/follow/live_view.h"
#include "rallyctl/terminal.h"

namespace rally::rallyctl {

// The flags that every command takes.
struct GlobalFlags {
  ServerSettings server;
  std::string output;             // -o; empty: text
  std::string progress = "auto";  // auto, tty, plain, json, quiet
};

// One run of a command: its flags, its terminal, its connection.
class Invocation {
 public:
  Invocation(const GlobalFlags* flags, Terminal* terminal) : flags_(flags), terminal_(terminal) {}

  const GlobalFlags& flags() const { return *flags_; }
  Terminal& terminal() const { return *terminal_; }
  bool json() const { return flags_->output == "json"; }
  ProgressMode progress() const;

  // Progress, for people: "==> LINE" on standard error, unless that is to stay quiet or JSON.
  void Say(const std::string& line) const;
  // InvalidArgument unless -o is absent, "text" or "json".
  absl::Status CheckTextOrJson() const;
  // The connection, connecting but not necessarily connected; made by the first call.
  absl::StatusOr<Connection*> Connect();
  // The connection, once the controller answers.
  absl::StatusOr<Connection*> ConnectAndWait();

 private:
  const GlobalFlags* const flags_;
  Terminal* const terminal_;
  std::unique_ptr<Connection> connection_;
};

using Action = std::function<absl::StatusOr<ExitStatus>(Invocation&)>;

// Each adds its subcommand; parsing a command line that names it sets `chosen`.
void AddSubmit(CLI::App* app, Action* chosen);
void AddList(CLI::App* app, Action* chosen);
void AddGet(CLI::App* app, Action* chosen);
void AddLogs(CLI::App* app, Action* chosen);
void AddWatch(CLI::App* app, Action* chosen);
void AddCancel(CLI::App* app, Action* chosen);
void AddFetch(CLI::App* app, Action* chosen);
void AddDiff(CLI::App* app, Action* chosen);
void AddBlame(CLI::App* app, Action* chosen);
void AddAgents(CLI::App* app, Action* chosen);
void AddGraph(CLI::App* app, Action* chosen);
void AddLint(CLI::App* app, Action* chosen);
void AddRender(CLI::App* app, Action* chosen);
void AddSchema(CLI::App* app, Action* chosen);
void AddVersion(CLI::App* app, Action* chosen);
void AddCompletion(CLI::App* app, Action* chosen);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_COMMANDS_COMMAND_H_
