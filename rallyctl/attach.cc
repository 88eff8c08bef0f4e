#include "rallyctl/attach.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "rallyctl/follow/build_follower.h"
#include "rallyctl/interrupts.h"
#include "rallyctl/render/json.h"

namespace rally::rallyctl {

absl::StatusOr<std::optional<v1::Build>> Attach(Invocation& invocation, Connection& connection,
                                                const std::string& build_id,
                                                std::set<std::string> known_warnings) {
  std::unique_ptr<Interrupts> interrupts;
  LiveView::Options view;
  view.known_warnings = std::move(known_warnings);
  auto build = Attach(
      invocation, connection, build_id, std::move(view), [&interrupts](BuildFollower* follower) {
        interrupts.reset();
        if (follower == nullptr) return;
        interrupts = std::make_unique<Interrupts>([follower](int) { follower->Interrupt(); });
      });
  if (build.ok() && !build->has_value()) SayLeft(invocation, build_id);
  return build;
}

absl::StatusOr<std::optional<v1::Build>> Attach(
    Invocation& invocation, Connection& connection, const std::string& build_id,
    LiveView::Options view_options, const std::function<void(BuildFollower*)>& on_follower) {
  Terminal& terminal = invocation.terminal();
  view_options.mode = invocation.progress();
  view_options.logs_to_err = invocation.json();
  view_options.server = connection.address();
  LiveView view(&terminal, view_options);
  FollowOptions options;
  options.build_id = build_id;
  BuildFollower follower(connection.builds(), options, &view);
  on_follower(&follower);
  const absl::StatusOr<v1::Build> build = follower.Run();
  on_follower(nullptr);
  if (build.status().code() == absl::StatusCode::kCancelled) {
    view.Stop();
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
  return *build;
}

void SayLeft(const Invocation& invocation, const std::string& build_id) {
  invocation.Say(absl::StrCat("left build ", build_id, ", which goes on"));
  invocation.Say(absl::StrCat("come back:  rallyctl watch ", build_id));
  invocation.Say(absl::StrCat("cancel it:  rallyctl cancel ", build_id));
}

}  // namespace rally::rallyctl
