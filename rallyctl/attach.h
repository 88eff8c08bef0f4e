#ifndef RALLY_RALLYCTL_ATTACH_H_
#define RALLY_RALLYCTL_ATTACH_H_

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "rallyctl/commands/command.h"
#include "rallyctl/follow/build_follower.h"

namespace rally::rallyctl {

// Shows a build until it has ended, then its summary. Without a value: Ctrl-C left it, and how to
// come back was said. With -o json the build is printed on standard output at the end.
// Warnings that are known were said before.
absl::StatusOr<std::optional<v1::Build>> Attach(Invocation& invocation, Connection& connection,
                                                const std::string& build_id,
                                                std::set<std::string> known_warnings = {});

// The same for a caller that handles Ctrl-C itself: `on_follower` is given what to interrupt, and
// null once that is gone. Without a value nothing was said. Of `view_options` the mode, the streams
// and the server are filled in here.
absl::StatusOr<std::optional<v1::Build>> Attach(
    Invocation& invocation, Connection& connection, const std::string& build_id,
    LiveView::Options view_options, const std::function<void(BuildFollower*)>& on_follower);

// Says that Ctrl-C left the build, and how to come back or cancel it.
void SayLeft(const Invocation& invocation, const std::string& build_id);

}  // namespace rally::rallyctl

#endif  // RALLY_RALLYCTL_ATTACH_H_
