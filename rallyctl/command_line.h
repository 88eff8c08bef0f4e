#ifndef RALLY_RALLYCTL_COMMAND_LINE_H_
#define RALLY_RALLYCTL_COMMAND_LINE_H_

#include <functional>
#include <vector>

#include "rallyctl/commands/command.h"
#include "rallyctl/terminal.h"

namespace rally::rallyctl {

// Adds a subcommand; those of command.h, and what the program brings along.
using AddCommand = std::function<void(CLI::App*, Action*)>;

// Runs one command line to its end and returns the process's exit status. What went wrong is on
// standard error then.
int RunCommandLine(int argc, const char* const* argv, Terminal* terminal,
                   const std::vector<AddCommand>& more_commands = {});

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_COMMAND_LINE_H_
