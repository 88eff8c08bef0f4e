#include <memory>

#include "rallyctl/attach.h"
#include "rallyctl/commands/command.h"

namespace rally::rallyctl {
namespace {

absl::StatusOr<ExitStatus> Watch(Invocation& invocation, const std::string& build_id) {
  if (absl::Status status = invocation.CheckTextOrJson(); !status.ok()) return status;
  auto connection = invocation.ConnectAndWait();
  if (!connection.ok()) return connection.status();
  auto build = Attach(invocation, **connection, build_id);
  if (!build.ok()) return build.status();
  // It reports on itself: a build that failed was watched all the same.
  return build->has_value() ? ExitStatus::kSuccess : ExitStatus::kCancelled;
}

}  // namespace

void AddWatch(CLI::App* app, Action* chosen) {
  auto build_id = std::make_shared<std::string>();
  CLI::App* command = app->add_subcommand("watch", "Show a build and its logs until it has ended");
  command->add_option("BUILD", *build_id, "The build's id")->required();
  command->callback(
      [=] { *chosen = [=](Invocation& invocation) { return Watch(invocation, *build_id); }; });
}

}  // namespace rally::rallyctl
