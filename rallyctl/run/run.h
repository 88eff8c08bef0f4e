#ifndef RALLY_RALLYCTL_RUN_RUN_H_
#define RALLY_RALLYCTL_RUN_RUN_H_

#include "rallyctl/commands/command.h"

namespace rally::rallyctl {

// `rallyctl run`: a build without a server, on this machine's containerd.
void AddRun(CLI::App* app, Action* chosen);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_RUN_RUN_H_
