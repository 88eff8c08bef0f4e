#include "rallyctl/attach.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "rallyctl/follow/build_follower.h"
#include "rallyctl/interrupts.h"
#include "rallyctl/render/json.h"

namespace rally::rallyctl {

absl::StatusOr<std::optional<v1::Build>> Attach(Invocation& invocation, Connection& connection,
                                                const std::string& build_id) {
  Terminal& terminal = invocation.terminal();
  LiveView view(&terminal, {invocation.progress(), invocation.json(), connection.address()});
  FollowOptions options;
  options.build_id = build_id;
  BuildFollower follower(connection.builds(), options, &view);
  absl::StatusOr<v1::Build> build;
  {
    Interrupts interrupts([&follower](int) { follower.Interrupt(); });
    build = follower.Run();
  }
  if (build.status().code() == absl::StatusCode::kCancelled) {
    view.Stop();
    invocation.Say(absl::StrCat("left build ", build_id, ", which goes on"));
    invocation.Say(absl::StrCat("come back:  rallyctl watch ", build_id));
    invocation.Say(absl::StrCat("cancel it:  rallyctl cancel ", build_id));
    return std::nullopt;
  }
  if (!build.ok()) {
    view.Stop();
    if (build.status().code() == absl::StatusCode::kUnavailable) {
      return absl::UnavailableError(
          absl::StrCat(build.status().message(), " at ", connection.address(),
                       "; the build isn't lost. Come back with: rallyctl watch ", build_id));
    }
    return build.status();
  }
  view.Finish(*build, absl::Now());
  if (invocation.json()) {
    auto json = RenderJson(*build);
    if (!json.ok()) return json.status();
    terminal.Out(*json);
    terminal.Flush();
  }
  return *std::move(build);
}

}  // namespace rally::rallyctl
