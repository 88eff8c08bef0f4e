#include <memory>

#include "absl/time/clock.h"
#include "rallyctl/commands/command.h"
#include "rallyctl/render/build_text.h"
#include "rallyctl/render/json.h"

namespace rally::rallyctl {
namespace {

absl::StatusOr<ExitStatus> Get(Invocation& invocation, const std::string& build_id) {
  if (absl::Status status = invocation.CheckTextOrJson(); !status.ok()) return status;
  auto connection = invocation.ConnectAndWait();
  if (!connection.ok()) return connection.status();
  v1::GetBuildRequest request;
  request.set_build_id(build_id);
  v1::Build build;
  absl::Status status = (*connection)->Call([&](grpc::ClientContext* context) {
    return (*connection)->builds()->GetBuild(context, request, &build);
  });
  if (!status.ok()) return status;
  Terminal& terminal = invocation.terminal();
  if (invocation.json()) {
    auto json = RenderJson(build);
    if (!json.ok()) return json.status();
    terminal.Out(*json);
  } else {
    terminal.Out(RenderBuildPage(build, absl::Now(), terminal.out_colour()));
  }
  return ExitStatus::kSuccess;
}

}  // namespace

void AddGet(CLI::App* app, Action* chosen) {
  auto build_id = std::make_shared<std::string>();
  CLI::App* command = app->add_subcommand("get", "A build: its steps, times and trees");
  command->add_option("BUILD", *build_id, "The build's id")->required();
  command->callback(
      [=] { *chosen = [=](Invocation& invocation) { return Get(invocation, *build_id); }; });
}

}  // namespace rally::rallyctl
